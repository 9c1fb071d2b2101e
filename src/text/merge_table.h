#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "text/vocabulary.h"

namespace tinyai {

// The merges of a byte-pair vocabulary: which pairs of tokens become one, and how early. 12 bytes
// per merge, and 4 per slot of a hash table.
class MergeTable {
 public:
  struct Merge {
    TokenId left;
    TokenId right;
    TokenId merged;
  };

  // Makes room for `merges`; more may be added at the price of copying.
  void Reserve(uint64_t merges);
  // Adds the merge that comes next in order. A pair that is already there keeps its place. Error
  // MODEL_MERGES if there are too many or the pairs are chosen to collide.
  Status Add(const Merge& merge);
  void ShrinkToFit();

  // The place of the pair in the order, 0 for the first merge.
  std::optional<uint32_t> Rank(TokenId left, TokenId right) const;
  const Merge& at(uint32_t rank) const { return merges_[rank]; }
  size_t size() const { return merges_.size(); }
  uint64_t memory_bytes() const;  // on the heap

 private:
  size_t FindSlot(TokenId left, TokenId right, uint64_t hash, size_t& probes) const;
  void Rehash(size_t slots);

  std::vector<Merge> merges_;
  std::vector<uint32_t> slots_ = {0};  // as in text/hash.h
};

}  // namespace tinyai
