#include "engine/encode_prompt.h"

#include <algorithm>

#include "fmt/format.h"

namespace tinyai {
namespace {

uint64_t LongestToken(const Tokenizer& tokenizer) {
  size_t longest = 1;
  for (uint64_t id = 0; id < tokenizer.size(); ++id) {
    longest = std::max(longest, tokenizer.Piece(static_cast<TokenId>(id)).size());
  }
  return longest;
}

}  // namespace

Result<std::vector<TokenId>> EncodePrompt(const Model& model, std::string_view text,
                                          uint64_t context, const EncodeOptions& options) {
  const Tokenizer& tokenizer = model.tokenizer();
  const uint64_t longest = LongestToken(tokenizer);
  if (text.size() / longest > context) {
    return Fail(
        ErrorCode::kUsage, "CONTEXT_FULL",
        fmt::format("a prompt of {} bytes cannot fit into a context of {} tokens of at most "
                    "{} bytes; shorten it or use a larger -c",
                    text.size(), context, longest));
  }
  return tokenizer.Encode(text, options);
}

}  // namespace tinyai
