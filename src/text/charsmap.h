#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tinyai {

// SentencePiece's table for normalising text (NFKC with its own rules, mostly): a trie of
// spellings, each with what it becomes. Cheap to copy only where it is empty.
class CharsMap {
 public:
  CharsMap() = default;  // changes nothing
  // Error TOKENIZER for bytes that are no such table; whatever is inside, looking up is safe.
  static Result<CharsMap> Make(std::span<const std::byte> bytes);

  // As the tokenizers library: clusters of a few bytes are looked up whole, else each character.
  std::string Normalise(std::string_view text) const;
  bool empty() const { return trie_.empty(); }
  uint64_t memory_bytes() const { return trie_.capacity() * sizeof(uint32_t) + texts_.capacity(); }

 private:
  // What the shortest spelling that `piece` begins with becomes.
  std::optional<std::string_view> Find(std::string_view piece) const;

  std::vector<uint32_t> trie_;
  std::string texts_;  // each ends with NUL
};

}  // namespace tinyai
