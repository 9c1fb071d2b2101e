#pragma once

#include <array>
#include <memory>

#include "text/vocabulary_tokenizer.h"

namespace tinyai {

// SentencePiece-style tokenizer ("llama"): spaces are written "▁"; starting from characters, of all
// neighbours that form a token the pair with the best score is joined, the left one of equals;
// characters that are no token are spelled in byte tokens.
class SpmTokenizer final : public VocabularyTokenizer {
 public:
  static std::unique_ptr<SpmTokenizer> Make(TokenizerData data);

  std::string_view kind() const override { return "llama"; }
  uint64_t memory_bytes() const override { return sizeof(*this) + heap_bytes(); }

 protected:
  Status EncodeText(std::string_view text, bool prefix, std::vector<TokenId>& out) const override;
  std::string NormalBytes(std::string_view spelling) const override;

 private:
  explicit SpmTokenizer(TokenizerData data);
  void FindByteTokens();
  void FindWordBorders();

  std::array<TokenId, 256> byte_tokens_{};  // -1: there is none
  bool words_are_separate_ = false;         // no token reaches over the beginning of a word
};

}  // namespace tinyai
