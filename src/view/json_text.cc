#include "view/json_text.h"

#include <cmath>

#include "base/escape.h"
#include "fmt/format.h"

namespace tinyai {

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (const char c : ToValidUtf8(text)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '<') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string JsonSeconds(double seconds) {
  return std::isfinite(seconds) ? fmt::format("{:.9g}", seconds) : "null";
}

std::string JsonMicroseconds(double seconds) {
  return std::isfinite(seconds) ? fmt::format("{:.3f}", seconds * 1e6) : "null";
}

}  // namespace tinyai
