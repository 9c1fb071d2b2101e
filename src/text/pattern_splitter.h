#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tinyai {

// Cuts text into words with regular expressions, one after the other: each pattern cuts every piece
// that the ones before it left, into its matches and what lies between them. Immutable.
class PatternSplitter {
 public:
  // `patterns` are written for PCRE2, but \s and \S mean Unicode's White_Space, as they do to
  // tokenizers. Error TOKENIZER_REGEX if one is not a pattern.
  static Result<PatternSplitter> Compile(std::span<const std::string_view> patterns);

  PatternSplitter(PatternSplitter&&) noexcept;
  PatternSplitter& operator=(PatternSplitter&&) noexcept;
  ~PatternSplitter();

  // The end of each word of `text`, in order; the last is the size of `text`. `text` is valid
  // UTF-8. Error TOKENIZER_REGEX if a pattern takes more steps than a linear search would.
  Result<std::vector<uint32_t>> Split(std::string_view text) const;
  uint64_t memory_bytes() const;  // on the heap

 private:
  struct Code;  // a compiled pattern
  PatternSplitter();

  std::vector<Code> codes_;
};

}  // namespace tinyai
