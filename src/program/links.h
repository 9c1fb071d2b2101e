#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lang/devices.h"
#include "plan/task_net.h"

namespace tinyai {

// Who copies over a link.
PlaceId LinkPlace(const Devices& devices, const Devices::Link& link);
double CopySeconds(const Devices::Link& link, uint64_t bytes);
// The link over which a place moves values to a memory; null if it has none.
const Devices::Link* LinkFrom(const Devices& devices, PlaceId place, MemoryId to);
// The place that stands for a memory where a text names one.
PlaceId PlaceOf(const Devices& devices, MemoryId memory);

// The shortest ways from each memory to each over links; memories are few.
class LinkWays {
 public:
  explicit LinkWays(const Devices& devices);  // `devices` outlive this object

  // The first link of the way; null if there is none.
  const Devices::Link* First(MemoryId from, MemoryId to) const { return first_[At(from, to)]; }
  size_t Hops(MemoryId from, MemoryId to) const { return hops_[At(from, to)]; }

 private:
  size_t At(MemoryId from, MemoryId to) const { return Index(from) * memories_ + Index(to); }

  const size_t memories_;
  std::vector<const Devices::Link*> first_;
  std::vector<size_t> hops_;
};

}  // namespace tinyai
