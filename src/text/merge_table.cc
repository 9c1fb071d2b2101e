#include "text/merge_table.h"

#include "fmt/format.h"
#include "text/hash.h"

namespace tinyai {
namespace {

uint64_t HashPair(TokenId left, TokenId right) {
  return MixWords(static_cast<uint64_t>(left), static_cast<uint64_t>(right));
}

}  // namespace

void MergeTable::Reserve(uint64_t merges) {
  merges_.reserve(merges);
  Rehash(SlotsFor(merges));
}

Status MergeTable::Add(const Merge& merge) {
  const uint64_t hash = HashPair(merge.left, merge.right);
  size_t probes = 0;
  const size_t slot = FindSlot(merge.left, merge.right, hash, probes);
  if (probes > kMaxProbes) {
    return Fail(ErrorCode::kBadFile, "MODEL_MERGES",
                fmt::format("merge {} collides with {} others", size(), probes));
  }
  if (slots_[slot] != 0) return {};
  if (size() == kMaxIndexed) {
    return Fail(ErrorCode::kBadFile, "MODEL_MERGES",
                fmt::format("there are more than {} merges", kMaxIndexed));
  }
  merges_.push_back(merge);
  slots_[slot] = PackSlot(hash, size() - 1);
  if (SlotsFor(size()) > slots_.size()) Rehash(SlotsFor(size()));
  return {};
}

void MergeTable::Rehash(size_t slots) {
  slots_ = std::vector<uint32_t>(slots, 0);
  for (size_t i = 0; i < size(); ++i) {
    const uint64_t hash = HashPair(merges_[i].left, merges_[i].right);
    size_t probes = 0;
    slots_[FindSlot(merges_[i].left, merges_[i].right, hash, probes)] = PackSlot(hash, i);
  }
}

void MergeTable::ShrinkToFit() {
  merges_.shrink_to_fit();
  if (SlotsFor(size()) < slots_.size()) Rehash(SlotsFor(size()));
}

size_t MergeTable::FindSlot(TokenId left, TokenId right, uint64_t hash, size_t& probes) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  for (; slots_[slot] != 0 && probes <= kMaxProbes; slot = (slot + 1) & mask, ++probes) {
    if (!MayHold(slots_[slot], hash)) continue;
    const Merge& merge = merges_[IndexIn(slots_[slot])];
    if (merge.left == left && merge.right == right) break;
  }
  return slot;
}

std::optional<uint32_t> MergeTable::Rank(TokenId left, TokenId right) const {
  size_t probes = 0;
  const uint32_t slot = slots_[FindSlot(left, right, HashPair(left, right), probes)];
  if (slot == 0 || probes > kMaxProbes) return std::nullopt;
  return IndexIn(slot);
}

uint64_t MergeTable::memory_bytes() const {
  return merges_.capacity() * sizeof(Merge) + slots_.capacity() * sizeof(uint32_t);
}

}  // namespace tinyai
