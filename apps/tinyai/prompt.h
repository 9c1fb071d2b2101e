#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "console.h"
#include "flags.h"
#include "text/tokenizer.h"

namespace tinyai {

// Text that a command works on: -p, else -f, else what comes in on stdin.
struct TextFlags {
  static constexpr uint64_t kMostBytes = uint64_t{16} << 20;

  std::optional<std::string> text, file;

  void AddTo(Flags& flags);
  // Nothing if none was given: stdin is a terminal, empty, or stays silent for two seconds (without
  // -f). One newline at the end of a file or of stdin is not part of the text. Errors OPEN,
  // IO_READ, TEXT_TOO_LONG (usage), CANCELLED (a signal).
  Result<std::optional<std::string>> Read(Console& console) const;
};

// "1,300,17". Error BAD_OPTION.
Result<std::vector<TokenId>> ParseTokenIds(std::string_view text);

}  // namespace tinyai
