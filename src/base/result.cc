#include "base/result.h"

#include "base/escape.h"
#include "fmt/format.h"

namespace tinyai {

std::string Describe(const Error& error) {
  std::string text = fmt::format("{}: {}", error.key, EscapeControl(error.message));
  if (!error.file.empty()) {
    text += fmt::format(" ({}", EscapeControl(error.file));
    if (error.offset) text += fmt::format(", byte {}", *error.offset);
    text += ')';
  }
  return text;
}

}  // namespace tinyai
