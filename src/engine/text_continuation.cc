#include "engine/text_continuation.h"

#include <algorithm>

#include "engine/encode_prompt.h"

namespace tinyai {

Result<TextContinuation> TextContinuation::Start(const Model& model, std::string_view prompt,
                                                 const TextSettings& settings, uint64_t capacity,
                                                 uint64_t context, uint64_t chunk) {
  TRY(Check(settings.sampler));
  TextContinuation text(settings);
  TRY_ASSIGN(text.tokens_, EncodePrompt(model, prompt, context));
  if (text.tokens_.empty()) {
    return Fail(ErrorCode::kUsage, "NO_PROMPT",
                "the prompt is empty, and the model has no token that begins a text");
  }
  text.prompt_ = text.tokens_.size();
  text.most_ = settings.most_tokens;
  text.capacity_ = capacity == 0 ? ~uint64_t{0} : capacity - 1;
  text.context_ = context;
  text.chunk_ = chunk;
  // Through a stream of its own: what is cut off in the middle of a character is held back.
  text.ended_ = !text.Append(TextStream().Push(prompt)) || text.most_ == 0;
  return text;
}

std::optional<std::span<const TokenId>> TextContinuation::NextTokens() const {
  if (ended_ && done_ >= prompt_) return std::nullopt;
  const std::span<const TokenId> rest = std::span(tokens_).subspan(done_);
  if (rest.empty()) return std::nullopt;
  return rest.first(std::min<uint64_t>(rest.size(), chunk_));
}

Status TextContinuation::Finish(const Model& model, std::span<float> logits) {
  done_ += std::min<uint64_t>(tokens_.size() - done_, chunk_);
  if (done_ < tokens_.size() || ended_) return {};
  TRY_ASSIGN(const TokenId token, sampler_.Next(logits, tokens_));
  tokens_.push_back(token);
  if (model.tokenizer().IsEnd(token)) {
    ended_ = true;
    Append(stream_.Finish());
    return {};
  }
  ended_ = !Append(stream_.Push(model.tokenizer().Bytes(token))) ||
           tokens_.size() - prompt_ >= most_ || tokens_.size() >= context_;
  return {};
}

// False if not all of it fits; as many whole characters as do are there then.
bool TextContinuation::Append(std::string_view more) {
  const uint64_t room = capacity_ - text_.size();
  if (more.size() <= room) {
    text_ += more;
    return true;
  }
  size_t fits = room;
  while (fits > 0 && (static_cast<unsigned char>(more[fits]) & 0xC0) == 0x80) --fits;
  text_ += more.substr(0, fits);
  return false;
}

}  // namespace tinyai
