#include "program/links.h"

#include <algorithm>

namespace tinyai {

PlaceId LinkPlace(const Devices& devices, const Devices::Link& link) {
  return link.queue ? PlaceId(*link.queue) : PlaceOf(devices, MemoryId(link.from));
}

double CopySeconds(const Devices::Link& link, uint64_t bytes) {
  return link.latency_seconds + static_cast<double>(bytes) / link.bytes_per_second;
}

const Devices::Link* LinkFrom(const Devices& devices, PlaceId place, MemoryId to) {
  for (const Devices::Link& link : devices.links) {
    if (MemoryId(link.to) == to && LinkPlace(devices, link) == place) return &link;
  }
  return nullptr;
}

PlaceId PlaceOf(const Devices& devices, MemoryId memory) {
  const auto computes =
      std::find_if(devices.places.begin(), devices.places.end(), [&](const Devices::Place& place) {
        return MemoryId(place.memory) == memory && place.computes;
      });
  return PlaceId(static_cast<size_t>(computes - devices.places.begin()) % devices.places.size());
}

LinkWays::LinkWays(const Devices& devices)
    : memories_(devices.memories.size()),
      first_(memories_ * memories_, nullptr),
      hops_(memories_ * memories_, memories_ + 1) {
  for (size_t i = 0; i < memories_; ++i) hops_[i * memories_ + i] = 0;
  for (size_t round = 0; round < memories_; ++round) {
    for (const Devices::Link& link : devices.links) {
      for (size_t to = 0; to < memories_; ++to) {
        const size_t way = 1 + hops_[link.to * memories_ + to];
        if (way >= hops_[link.from * memories_ + to]) continue;
        hops_[link.from * memories_ + to] = way;
        first_[link.from * memories_ + to] = &link;
      }
    }
  }
}

}  // namespace tinyai
