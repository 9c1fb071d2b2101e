#include "device/gpu_hazards.h"

#include <algorithm>

namespace tinyai {
namespace {

bool Overlap(const GpuRange& a, const GpuRange& b) {
  return a.arena == b.arena && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

}  // namespace

GpuHazards::Barrier GpuHazards::Needs(const std::vector<Access>& accesses) const {
  Barrier needed = Barrier::kNone;
  for (size_t i = 0; i < since_.size(); ++i) {
    const Access& before = since_[i];
    const bool meets = std::any_of(accesses.begin(), accesses.end(), [&](const Access& next) {
      return (next.write || before.write) && Overlap(next.range, before.range);
    });
    if (!meets) continue;
    if (i >= batch_begin_) return Barrier::kWithin;
    needed = Barrier::kAcross;
  }
  return needed;
}

void GpuHazards::Add(const std::vector<Access>& accesses) {
  since_.insert(since_.end(), accesses.begin(), accesses.end());
}

}  // namespace tinyai
