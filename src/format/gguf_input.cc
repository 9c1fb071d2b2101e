#include "format/gguf_input.h"

#include <algorithm>

#include "base/escape.h"
#include "fmt/format.h"

namespace tinyai {

tl::unexpected<Error> GgufInput::Bad(std::string_view key, uint64_t offset,
                                     std::string_view message, ErrorCode code) const {
  return FailAt(code, key, fmt::format("at byte {}: {}", offset, message), source_.path(), offset);
}

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool IsPrintable(std::string_view name) {
  const bool ascii = std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<uint8_t>(c) >= 0x20 && static_cast<uint8_t>(c) < 0x7F;
  });
  return ascii || EscapeControl(name) == name;
}

std::string Shown(std::string_view name) {
  constexpr size_t kMost = 80;
  if (name.size() <= kMost) return EscapeControl(name);
  return EscapeControl(name.substr(0, kMost)) + "...";
}

}  // namespace tinyai
