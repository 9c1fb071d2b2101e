#include "text/charsmap.h"

#include <utf8proc.h>

#include <cstring>

#include "base/escape.h"
#include "text/utf8.h"

namespace tinyai {
namespace {

// Clusters of at least so many bytes are normalised character by character.
constexpr size_t kLongCluster = 6;

utf8proc_int32_t CodePoint(std::string_view character) {
  return Utf8SequenceLength(character) == 0 ? 0xFFFD
                                            : static_cast<utf8proc_int32_t>(DecodeUtf8(character));
}

// The size of the cluster that `text` begins with, as people see characters.
size_t ClusterSize(std::string_view text) {
  size_t size = NextCharacterSize(text);
  utf8proc_int32_t before = CodePoint(text.substr(0, size)), state = 0;
  while (size < text.size()) {
    const size_t next = NextCharacterSize(text.substr(size));
    const utf8proc_int32_t point = CodePoint(text.substr(size, next));
    if (utf8proc_grapheme_break_stateful(before, point, &state)) break;
    before = point;
    size += next;
  }
  return size;
}

}  // namespace

//   u32 bytes of the trie, the trie, then texts with NUL behind each
Result<CharsMap> CharsMap::Make(std::span<const std::byte> bytes) {
  uint32_t trie_bytes = 0;
  if (bytes.size() >= sizeof(trie_bytes)) {
    std::memcpy(&trie_bytes, bytes.data(), sizeof(trie_bytes));
  }
  const bool fits = bytes.size() > sizeof(trie_bytes) && trie_bytes >= sizeof(uint32_t) &&
                    trie_bytes % sizeof(uint32_t) == 0 &&
                    trie_bytes < bytes.size() - sizeof(trie_bytes);
  if (!fits) {
    return Fail(ErrorCode::kBadFile, "TOKENIZER",
                "precompiled_charsmap is damaged: its table does not fit into it");
  }
  CharsMap out;
  out.trie_.resize(trie_bytes / sizeof(uint32_t));
  std::memcpy(out.trie_.data(), bytes.data() + sizeof(trie_bytes), trie_bytes);
  const auto texts = bytes.subspan(sizeof(trie_bytes) + trie_bytes);
  out.texts_.assign(reinterpret_cast<const char*>(texts.data()), texts.size());
  return out;
}

// A double-array trie as Darts-clone has it: of a unit, bits 0 to 7 are the byte that leads to it
// and bit 31 says that there is none; bit 8 that a spelling ends here, whose value is the unit's
// first child; bits 10 to 30, shifted by 8 more if bit 9 is set, are what is XORed to its place for
// the place of its children.
std::optional<std::string_view> CharsMap::Find(std::string_view piece) const {
  const auto offset = [](uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); };
  uint32_t at = offset(trie_[0]);
  for (const char c : piece) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte == 0) return std::nullopt;
    at ^= byte;
    if (at >= trie_.size()) return std::nullopt;
    const uint32_t unit = trie_[at];
    if ((unit & (1u << 31 | 0xFF)) != byte) return std::nullopt;
    at ^= offset(unit);
    if ((unit >> 8 & 1) == 0) continue;
    if (at >= trie_.size()) return std::nullopt;
    const uint32_t begin = trie_[at] & ~(1u << 31);
    if (begin >= texts_.size()) return std::nullopt;
    const size_t end = std::min(texts_.find('\0', begin), texts_.size());
    return std::string_view(texts_).substr(begin, end - begin);
  }
  return std::nullopt;
}

std::string CharsMap::Normalise(std::string_view text) const {
  std::string out;
  if (empty()) return out.assign(text);
  out.reserve(text.size());
  while (!text.empty()) {
    std::string_view cluster = text.substr(0, ClusterSize(text));
    text.remove_prefix(cluster.size());
    if (cluster.size() < kLongCluster) {
      if (const auto found = Find(cluster)) {
        out += *found;
        continue;
      }
    }
    while (!cluster.empty()) {
      const std::string_view character = cluster.substr(0, NextCharacterSize(cluster));
      out += Find(character).value_or(character);
      cluster.remove_prefix(character.size());
    }
  }
  return out;
}

}  // namespace tinyai
