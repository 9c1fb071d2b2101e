#include "text/utf8.h"

#include <algorithm>

#include "base/escape.h"

namespace tinyai {
namespace {

constexpr uint32_t kReplacement = 0xFFFD;

uint8_t Byte(std::string_view text, size_t i) { return static_cast<uint8_t>(text[i]); }

// The length that a lead byte announces; 0 for a byte that cannot lead.
size_t AnnouncedLength(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC0) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead < 0xF8 ? 4 : 0;
}

// The length of the sequence at the front of `text`, overlong forms and surrogates included; 0 if
// continuation bytes are missing.
size_t LooseSequenceLength(std::string_view text) {
  const size_t length = AnnouncedLength(Byte(text, 0));
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((Byte(text, i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

void AppendUtf8(uint32_t code_point, std::string& out) {
  const auto tail = [code_point](int shift) {
    return static_cast<char>(0x80 | (code_point >> shift & 0x3F));
  };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0 | code_point >> 6);
    out += tail(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0 | code_point >> 12);
    out += tail(6);
    out += tail(0);
  } else {
    out += static_cast<char>(0xF0 | code_point >> 18);
    out += tail(12);
    out += tail(6);
    out += tail(0);
  }
}

uint32_t DecodeUtf8(std::string_view sequence) {
  const uint32_t lead = Byte(sequence, 0);
  if (sequence.size() == 1) return lead;
  uint32_t code_point = lead & (0x7FU >> sequence.size());
  for (size_t i = 1; i < sequence.size(); ++i) {
    code_point = code_point << 6 | (Byte(sequence, i) & 0x3F);
  }
  return code_point;
}

bool IsUnfinishedUtf8(std::string_view text) {
  if (text.empty() || text.size() > 3) return false;
  // A valid sequence may be completed with the least or the greatest continuation bytes.
  for (const char filler : {'\x80', '\x8F', '\x90', '\xA0', '\xBF'}) {
    std::string full(text);
    while (full.size() < 4) {
      full += filler;
      if (Utf8SequenceLength(full) == full.size()) return true;
    }
  }
  return false;
}

std::string ToBpeText(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t valid = Utf8SequenceLength(text);
    if (valid != 0) {
      out += text.substr(0, valid);
      text.remove_prefix(valid);
      continue;
    }
    const size_t loose = LooseSequenceLength(text);
    const uint32_t code_point = loose == 0 ? kReplacement : DecodeUtf8(text.substr(0, loose));
    const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
    AppendUtf8(surrogate || code_point > 0x10FFFF ? kReplacement : code_point, out);
    text.remove_prefix(loose == 0 ? 1 : loose);
  }
  return out;
}

size_t NextCharacterSize(std::string_view text) {
  return std::max<size_t>(Utf8SequenceLength(text), 1);
}

std::string Replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size());
  for (size_t found; (found = text.find(from)) != std::string_view::npos;) {
    out += text.substr(0, found);
    out += to;
    text.remove_prefix(found + from.size());
  }
  out += text;
  return out;
}

}  // namespace tinyai
