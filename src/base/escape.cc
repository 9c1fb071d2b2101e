#include "base/escape.h"

#include "fmt/format.h"

namespace tinyai {
namespace {

uint8_t Byte(std::string_view text, size_t i) { return static_cast<uint8_t>(text[i]); }

bool IsContinuation(std::string_view text, size_t i) {
  return i < text.size() && (Byte(text, i) & 0xC0) == 0x80;
}

}  // namespace

size_t Utf8SequenceLength(std::string_view text) {
  if (text.empty()) return 0;
  const uint8_t lead = Byte(text, 0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return IsContinuation(text, 1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!IsContinuation(text, 1) || !IsContinuation(text, 2)) return 0;
    if (lead == 0xE0 && Byte(text, 1) < 0xA0) return 0;  // overlong
    if (lead == 0xED && Byte(text, 1) > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!IsContinuation(text, 1) || !IsContinuation(text, 2) || !IsContinuation(text, 3)) return 0;
    if (lead == 0xF0 && Byte(text, 1) < 0x90) return 0;  // overlong
    if (lead == 0xF4 && Byte(text, 1) > 0x8F) return 0;  // past U+10FFFF
    return 4;
  }
  return 0;
}

std::string EscapeControl(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    const uint8_t lead = Byte(text, 0);
    const bool c1_control = length == 2 && lead == 0xC2 && Byte(text, 1) < 0xA0;
    if (length == 0 || lead < 0x20 || lead == 0x7F || c1_control) {
      out += fmt::format("\\x{:02X}", lead);
      text.remove_prefix(1);
      if (c1_control) {
        out += fmt::format("\\x{:02X}", Byte(text, 0));
        text.remove_prefix(1);
      }
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string ToValidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

}  // namespace tinyai
