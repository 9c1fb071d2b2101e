#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "format/gguf_writer.h"

namespace tinyai::testing_models {

// A vocabulary of exactly `size` tokens, large enough to tokenise any text, with pieces that occur
// in text of several scripts.
struct Vocabulary {
  std::string model;  // "llama" or "gpt2"
  std::string pre;    // name of the pre-tokenizer of "gpt2"
  std::vector<std::string> tokens;
  std::vector<float> scores;        // "llama" only
  std::vector<int32_t> types;       // 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte
  std::vector<std::string> merges;  // "gpt2" only
  uint32_t bos = 0, eos = 0;
  bool add_bos = false;
};

// SentencePiece-style with scores and byte tokens; the least size is 400.
Vocabulary MakeSpmVocabulary(uint32_t size, uint64_t seed);
// Byte-level BPE with merges; the least size is 300.
Vocabulary MakeBpeVocabulary(uint32_t size, std::string_view pre, uint64_t seed);

void AddVocabulary(const Vocabulary& vocabulary, GgufWriter& writer);

}  // namespace tinyai::testing_models
