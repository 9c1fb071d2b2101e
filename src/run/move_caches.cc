#include "run/move_caches.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace tinyai {
namespace {

const PlanBuffer& CacheOf(const Plan& plan, uint32_t layer) {
  return plan.buffer(plan.cache_buffers[layer]);
}

std::vector<uint32_t> InOrderOfOffsets(const Plan& plan) {
  std::vector<uint32_t> layers(plan.cache_buffers.size());
  std::iota(layers.begin(), layers.end(), 0u);
  std::sort(layers.begin(), layers.end(), [&](uint32_t a, uint32_t b) {
    return CacheOf(plan, a).offset < CacheOf(plan, b).offset;
  });
  return layers;
}

}  // namespace

// From the lowest on each moves down, so none is overwritten before it has moved.
PackedCaches PackCaches(const Plan& from, std::byte* arena) {
  PackedCaches packed{InOrderOfOffsets(from), 0};
  for (const uint32_t layer : packed.layers) {
    const PlanBuffer& cache = CacheOf(from, layer);
    std::memmove(arena + packed.bytes, arena + cache.offset, cache.bytes);
    packed.bytes += cache.bytes;
  }
  return packed;
}

// Into the order of the new places first; then, from the highest on, each moves up.
void SpreadCaches(const Plan& to, const PackedCaches& packed, std::byte* arena) {
  const std::vector<uint32_t> wanted = InOrderOfOffsets(to);
  std::vector<uint32_t> layers = packed.layers;
  std::byte* begin = arena;
  for (size_t i = 0; i < wanted.size(); ++i) {
    std::byte* from = begin;
    const auto found =
        std::find(layers.begin() + static_cast<ptrdiff_t>(i), layers.end(), wanted[i]);
    for (auto before = layers.begin() + static_cast<ptrdiff_t>(i); before != found; ++before) {
      from += CacheOf(to, *before).bytes;
    }
    std::rotate(begin, from, from + CacheOf(to, wanted[i]).bytes);
    std::rotate(layers.begin() + static_cast<ptrdiff_t>(i), found, found + 1);
    begin += CacheOf(to, wanted[i]).bytes;
  }
  uint64_t end = packed.bytes;
  for (size_t i = wanted.size(); i-- > 0;) {
    const PlanBuffer& cache = CacheOf(to, wanted[i]);
    end -= cache.bytes;
    std::memmove(arena + cache.offset, arena + end, cache.bytes);
  }
}

}  // namespace tinyai
