#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "format/json_value.h"

namespace tinyai {

// The types of tokens, with GGUF's numbers.
constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;

// The steps of a pipeline of a tokenizer.json ("normalizer", "pre_tokenizer", ..), sequences and
// what is inside them in order.
std::vector<const JsonValue*> Steps(const JsonValue& tokenizer, std::string_view pipeline);
// The first of a type; nullptr if there is none.
const JsonValue* FindStep(std::span<const JsonValue* const> steps, std::string_view type);

bool IsTrue(const JsonValue* object, std::string_view key);
// "<0x0A>"
bool IsByteToken(std::string_view token);
// Whether pieces of SentencePiece begin with a space that the text does not have.
bool AddsSpacePrefix(const JsonValue& tokenizer);

}  // namespace tinyai
