#pragma once

#include <array>
#include <memory>

#include "text/merge_table.h"
#include "text/pattern_splitter.h"
#include "text/pre_tokenizer.h"
#include "text/vocabulary_tokenizer.h"

namespace tinyai {

// Byte-level byte-pair tokenizer ("gpt2"): patterns cut the text into words, a word starts as the
// tokens of its bytes, and neighbours are merged, the earliest merge first, the left one of equals.
class BpeTokenizer final : public VocabularyTokenizer {
 public:
  // Error TOKENIZER_REGEX if a pattern of `pre` cannot be compiled.
  static Result<std::unique_ptr<BpeTokenizer>> Make(TokenizerData data, MergeTable merges,
                                                    const PreTokenizer& pre);

  std::string_view kind() const override { return "gpt2"; }
  uint64_t memory_bytes() const override {
    return sizeof(*this) + heap_bytes() + merges_.memory_bytes() + splitter_.memory_bytes();
  }

 protected:
  Status EncodeText(std::string_view text, bool prefix, std::vector<TokenId>& out) const override;
  std::string NormalBytes(std::string_view spelling) const override;

 private:
  BpeTokenizer(TokenizerData data, MergeTable merges, PatternSplitter splitter, bool ignore_merges);

  MergeTable merges_;
  PatternSplitter splitter_;
  bool ignore_merges_;
  std::array<TokenId, 256> byte_tokens_{};  // -1: there is none
};

}  // namespace tinyai
