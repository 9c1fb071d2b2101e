#pragma once

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "text/charsmap.h"
#include "text/vocabulary_tokenizer.h"

namespace tinyai {

// What is done to a text before it is cut into pieces.
struct UnigramSettings {
  CharsMap normaliser;
  bool words_only = false;   // white space of any length is one space, and none at the ends
  bool one_space = false;    // several spaces are one
  bool split_words = false;  // no piece goes over the beginning of a word
};

// SentencePiece's unigram model ("t5"): spaces are written "▁"; of all ways to cut a text into
// pieces it takes the one whose scores have the largest sum, of equals the one whose last piece is
// longest. A character without a piece counts as unknown and costs 10 more than the worst of all
// scores; where there are byte tokens, its bytes are spelled in these.
class UnigramTokenizer final : public VocabularyTokenizer {
 public:
  static std::unique_ptr<UnigramTokenizer> Make(TokenizerData data, UnigramSettings settings);

  // Longer pieces are in no text that is encoded.
  static constexpr size_t kLongestPiece = 256;

  std::string_view kind() const override { return "t5"; }
  uint64_t memory_bytes() const override;

 protected:
  Status EncodeText(std::string_view text, bool prefix, std::vector<TokenId>& out) const override;
  std::string NormalBytes(std::string_view spelling) const override;

 private:
  UnigramTokenizer(TokenizerData data, UnigramSettings settings);
  void SortPieces();
  void FindByteTokens();
  std::string Prepare(std::string_view text, bool prefix) const;
  void EncodeStretch(std::string_view text, std::vector<TokenId>& out) const;
  void EmitUnknown(std::string_view characters, std::vector<TokenId>& out) const;

  UnigramSettings settings_;
  std::vector<TokenId> sorted_;        // pieces by their bytes
  std::array<uint32_t, 257> first_{};  // where those begin in it that start with a byte
  std::vector<TokenId> byte_tokens_;   // 256, or none
  double unknown_score_ = 0;
};

}  // namespace tinyai
