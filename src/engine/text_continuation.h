#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/model.h"
#include "text/sampler.h"
#include "text/tokenizer.h"

namespace tinyai {

struct TextSettings {
  SamplerOptions sampler{.temperature = 0};
  uint64_t most_tokens = ~uint64_t{0};  // new ones; context and capacity end it in any case
};

// A text that grows token by token: which tokens the next pass is of, and what is there to read so
// far. Knows nothing of how passes are computed.
class TextContinuation {
 public:
  // `capacity` bytes for the text and the NUL after it, 0: no limit; `context` in tokens, `chunk`
  // those of one pass. Errors of EncodePrompt and Check; NO_PROMPT.
  static Result<TextContinuation> Start(const Model& model, std::string_view prompt,
                                        const TextSettings& settings, uint64_t capacity,
                                        uint64_t context, uint64_t chunk);

  // The tokens of the next pass, at this position; nothing when the text has come to its end.
  std::optional<std::span<const TokenId>> NextTokens() const;
  uint64_t position() const { return done_; }
  // Those of the passes that are complete.
  std::span<const TokenId> done() const { return std::span(tokens_).first(done_); }

  // The pass of NextTokens is complete; `logits` are of its last token, and may be changed. Error
  // NUMERIC_NAN.
  Status Finish(const Model& model, std::span<float> logits);

  // Whole characters, at most the capacity.
  const std::string& text() const { return text_; }

 private:
  TextContinuation(const TextSettings& settings) : sampler_(settings.sampler) {}
  bool Append(std::string_view more);

  Sampler sampler_;
  TextStream stream_;
  std::vector<TokenId> tokens_;  // prompt and what was chosen
  std::string text_;
  uint64_t done_ = 0;  // tokens that passes were made of
  uint64_t prompt_ = 0, most_ = 0, capacity_ = 0, context_ = 0, chunk_ = 0;
  bool ended_ = false;
};

}  // namespace tinyai
