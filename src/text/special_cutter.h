#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace tinyai {

// A stretch of text, or (token >= 0) a token that was cut out of it.
struct Fragment {
  TokenId token;
  std::string_view text;
};

// Finds the special tokens in text: user-defined ones always, control and unknown ones on demand.
// As in llama.cpp longer tokens go first wherever they stand, then the left ones.
class SpecialCutter {
 public:
  // Longer spellings are not looked for, so a search takes a bounded number of steps per byte.
  static constexpr size_t kMaxSpelling = 1024;

  SpecialCutter() = default;
  // Remembers the special tokens of `vocabulary`, which is the same in every Cut.
  explicit SpecialCutter(const Vocabulary& vocabulary);

  // The fragments of `text` in order, none empty; they point into `text`.
  std::vector<Fragment> Cut(const Vocabulary& vocabulary, std::string_view text,
                            bool parse_special) const;
  size_t skipped() const { return skipped_; }  // special tokens that are too long to look for
  uint64_t memory_bytes() const { return sorted_.capacity() * sizeof(TokenId); }  // on the heap

 private:
  struct Match {
    size_t begin;
    size_t end;
    TokenId token;
  };
  std::vector<Match> FindAll(const Vocabulary& vocabulary, std::string_view text,
                             bool parse_special) const;

  std::vector<TokenId> sorted_;     // by spelling
  std::array<bool, 256> starts_{};  // whether some special token starts with the byte
  size_t skipped_ = 0;
};

}  // namespace tinyai
