#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/model.h"

namespace tinyai {

// The tokens of a prompt for a context of so many tokens, with the begin and end tokens that the
// model asks for unless `options` say otherwise. A text that could not fit however its characters
// were joined is refused before it is looked at (CONTEXT_FULL): encoding takes memory in proportion
// to the text, which no budget has room for. Errors of Tokenizer::Encode.
Result<std::vector<TokenId>> EncodePrompt(const Model& model, std::string_view text,
                                          uint64_t context, const EncodeOptions& options = {});

}  // namespace tinyai
