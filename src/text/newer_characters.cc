#include "text/newer_characters.h"

#include <algorithm>
#include <cstdint>

#include "base/escape.h"
#include "text/utf8.h"

namespace tinyai {
namespace {

enum class Kind : uint8_t { kLetter, kMark, kDigit, kPunctuation, kSymbol };

struct Range {
  uint32_t first;
  uint32_t last;
  Kind kind;
};

// DerivedAge 15.0 and 15.1 of the Unicode Character Database, with the first letter of the general
// category; characters of no such kind (controls) behave as unassigned ones do and are left out.
constexpr Range kNewer[] = {
    {0xCF3, 0xCF3, Kind::kMark},       {0xECE, 0xECE, Kind::kMark},
    {0x2FFC, 0x2FFF, Kind::kSymbol},   {0x31EF, 0x31EF, Kind::kSymbol},
    {0x10EFD, 0x10EFF, Kind::kMark},   {0x1123F, 0x11240, Kind::kLetter},
    {0x11241, 0x11241, Kind::kMark},   {0x11B00, 0x11B09, Kind::kPunctuation},
    {0x11F00, 0x11F01, Kind::kMark},   {0x11F02, 0x11F02, Kind::kLetter},
    {0x11F03, 0x11F03, Kind::kMark},   {0x11F04, 0x11F10, Kind::kLetter},
    {0x11F12, 0x11F33, Kind::kLetter}, {0x11F34, 0x11F3A, Kind::kMark},
    {0x11F3E, 0x11F42, Kind::kMark},   {0x11F43, 0x11F4F, Kind::kPunctuation},
    {0x11F50, 0x11F59, Kind::kDigit},  {0x1342F, 0x1342F, Kind::kLetter},
    {0x13440, 0x13440, Kind::kMark},   {0x13441, 0x13446, Kind::kLetter},
    {0x13447, 0x13455, Kind::kMark},   {0x1B132, 0x1B132, Kind::kLetter},
    {0x1B155, 0x1B155, Kind::kLetter}, {0x1D2C0, 0x1D2D3, Kind::kDigit},
    {0x1DF25, 0x1DF2A, Kind::kLetter}, {0x1E030, 0x1E06D, Kind::kLetter},
    {0x1E08F, 0x1E08F, Kind::kMark},   {0x1E4D0, 0x1E4EB, Kind::kLetter},
    {0x1E4EC, 0x1E4EF, Kind::kMark},   {0x1E4F0, 0x1E4F9, Kind::kDigit},
    {0x1F6DC, 0x1F6DC, Kind::kSymbol}, {0x1F774, 0x1F776, Kind::kSymbol},
    {0x1F77B, 0x1F77F, Kind::kSymbol}, {0x1F7D9, 0x1F7D9, Kind::kSymbol},
    {0x1FA75, 0x1FA77, Kind::kSymbol}, {0x1FA87, 0x1FA88, Kind::kSymbol},
    {0x1FAAD, 0x1FAAF, Kind::kSymbol}, {0x1FABB, 0x1FABD, Kind::kSymbol},
    {0x1FABF, 0x1FABF, Kind::kSymbol}, {0x1FACE, 0x1FACF, Kind::kSymbol},
    {0x1FADA, 0x1FADB, Kind::kSymbol}, {0x1FAE8, 0x1FAE8, Kind::kSymbol},
    {0x1FAF7, 0x1FAF8, Kind::kSymbol}, {0x2B739, 0x2B739, Kind::kLetter},
    {0x2EBF0, 0x2EE5D, Kind::kLetter},
};

// Older characters of each kind, of three and of four bytes.
struct StandIn {
  std::string_view three;
  std::string_view four;
};
constexpr StandIn kStandIns[] = {
    {"\u0905", "\U00010000"},  // letters: Devanagari A, Linear B A
    {"\u0901", "\U000110B9"},  // marks: candrabindu, Kaithi sign virama
    {"\u0966", "\U000104A0"},  // digits: Devanagari 0, Osmanya 0
    {"\u0964", "\U00010100"},  // punctuation: danda, Aegean word separator
    {"\u2605", "\U0001F600"},  // symbols: a star, a face
};

const Range* FindNewer(uint32_t code_point) {
  const Range* range = std::lower_bound(std::begin(kNewer), std::end(kNewer), code_point,
                                        [](const Range& r, uint32_t c) { return r.last < c; });
  return range != std::end(kNewer) && range->first <= code_point ? range : nullptr;
}

// Whether some newer character starts with `lead`.
bool MayStartNewer(uint8_t lead) {
  return lead == 0xE0 || lead == 0xE2 || lead == 0xE3 || lead == 0xF0;
}

}  // namespace

std::optional<std::string> WithOlderCharacters(std::string_view text) {
  std::optional<std::string> out;
  for (size_t i = 0; i < text.size();) {
    if (!MayStartNewer(static_cast<uint8_t>(text[i]))) {
      ++i;
      continue;
    }
    const size_t size = std::max<size_t>(1, Utf8SequenceLength(text.substr(i)));
    if (const Range* newer = FindNewer(DecodeUtf8(text.substr(i, size)))) {
      const StandIn& stand_in = kStandIns[static_cast<size_t>(newer->kind)];
      if (!out) out = std::string(text);
      out->replace(i, size, size == 3 ? stand_in.three : stand_in.four);
    }
    i += size;
  }
  return out;
}

}  // namespace tinyai
