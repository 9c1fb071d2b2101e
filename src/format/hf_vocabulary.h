#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "format/json_value.h"
#include "format/metadata_writer.h"

namespace tinyai {

// What a tokenizer.json holds: its vocabulary, which may be large, and the rest as a tree.
struct HfVocabulary {
  std::vector<std::string> tokens;  // by id
  std::vector<bool> present;        // whether the id has a token
  std::vector<float> scores;        // by id, where the file has a list of tokens with scores
  std::vector<std::string> merges;  // "left right", best first
  JsonValue rest;
};

// Errors TOKENIZER, MODEL_VOCAB (ids that are none, or two of one token), MODEL_MERGES.
Result<HfVocabulary> ReadHfVocabulary(const ByteSource& source, uint64_t most_tokens);

// A token's id becomes its place; MODEL_VOCAB if it is taken by another or lies outside.
Status PlaceToken(const std::string& file, std::string token, uint64_t id, uint64_t most_tokens,
                  HfVocabulary& out);

}  // namespace tinyai
