#include "text/byte_alphabet.h"

#include <array>

#include "base/escape.h"
#include "text/utf8.h"

namespace tinyai {
namespace {

constexpr uint32_t kFirstSubstitute = 0x100;

constexpr bool StandsForItself(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) ||
         (byte >= 0xAE && byte <= 0xFF);
}

struct Tables {
  std::array<uint16_t, 256> spelling{};
  std::array<int16_t, 0x144> byte{};  // -1: spells nothing
};

constexpr Tables MakeTables() {
  Tables tables;
  tables.byte.fill(-1);
  uint32_t next = kFirstSubstitute;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const uint32_t spelling = StandsForItself(byte) ? byte : next++;
    tables.spelling[byte] = static_cast<uint16_t>(spelling);
    tables.byte[spelling] = static_cast<int16_t>(byte);
  }
  return tables;
}
constexpr Tables kTables = MakeTables();

}  // namespace

uint32_t SpellingOfByte(uint8_t byte) { return kTables.spelling[byte]; }

std::optional<uint8_t> ByteOfSpelling(uint32_t code_point) {
  if (code_point >= kTables.byte.size() || kTables.byte[code_point] < 0) return std::nullopt;
  return static_cast<uint8_t>(kTables.byte[code_point]);
}

void AppendSpelled(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) AppendUtf8(SpellingOfByte(static_cast<uint8_t>(byte)), out);
}

void AppendUnspelled(std::string_view spelled, std::string& out) {
  while (!spelled.empty()) {
    const size_t length = Utf8SequenceLength(spelled);
    const size_t taken = length == 0 ? 1 : length;
    const std::optional<uint8_t> byte = length == 1 || length == 2
                                            ? ByteOfSpelling(DecodeUtf8(spelled.substr(0, length)))
                                            : std::nullopt;
    if (byte) {
      out += static_cast<char>(*byte);
    } else {
      out += spelled.substr(0, taken);
    }
    spelled.remove_prefix(taken);
  }
}

}  // namespace tinyai
