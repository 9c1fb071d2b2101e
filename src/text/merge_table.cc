#include "text/merge_table.h"

#include "fmt/format.h"
#include "text/hash.h"

namespace tinyai {

void MergeTable::Reserve(uint64_t merges) {
  merges_.reserve(merges);
  Rehash(SlotsFor(merges));
}

Status MergeTable::Add(const Merge& merge) {
  size_t probes = 0;
  size_t slot = FindSlot(merge.left, merge.right, probes);
  if (probes > kMaxProbes) {
    return Fail(ErrorCode::kBadFile, "MODEL_MERGES",
                fmt::format("merge {} collides with {} others", size(), probes));
  }
  if (slots_[slot] != 0) return {};
  merges_.push_back(merge);
  if (SlotsFor(size()) > slots_.size()) {
    Rehash(SlotsFor(size()));
  } else {
    slots_[slot] = static_cast<uint32_t>(size());
  }
  return {};
}

void MergeTable::Rehash(size_t slots) {
  slots_ = std::vector<uint32_t>(slots, 0);
  for (size_t i = 0; i < size(); ++i) {
    size_t probes = 0;
    slots_[FindSlot(merges_[i].left, merges_[i].right, probes)] = static_cast<uint32_t>(i + 1);
  }
}

void MergeTable::ShrinkToFit() {
  merges_.shrink_to_fit();
  if (SlotsFor(size()) < slots_.size()) Rehash(SlotsFor(size()));
}

size_t MergeTable::FindSlot(TokenId left, TokenId right, size_t& probes) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = MixWords(static_cast<uint64_t>(left), static_cast<uint64_t>(right)) & mask;
  for (; slots_[slot] != 0 && probes <= kMaxProbes; slot = (slot + 1) & mask, ++probes) {
    const Merge& merge = merges_[slots_[slot] - 1];
    if (merge.left == left && merge.right == right) break;
  }
  return slot;
}

std::optional<uint32_t> MergeTable::Rank(TokenId left, TokenId right) const {
  size_t probes = 0;
  const uint32_t entry = slots_[FindSlot(left, right, probes)];
  if (entry == 0) return std::nullopt;
  return entry - 1;
}

uint64_t MergeTable::memory_bytes() const {
  return merges_.capacity() * sizeof(Merge) + slots_.capacity() * sizeof(uint32_t);
}

}  // namespace tinyai
