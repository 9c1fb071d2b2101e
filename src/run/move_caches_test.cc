#include "run/move_caches.h"

#include <algorithm>
#include <random>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

// A plan that has nothing but caches, in any order and with any gaps.
Plan RandomCaches(const std::vector<uint64_t>& bytes, std::mt19937& random) {
  Plan plan;
  std::vector<uint32_t> layers(bytes.size());
  for (uint32_t i = 0; i < layers.size(); ++i) layers[i] = i;
  std::shuffle(layers.begin(), layers.end(), random);
  plan.cache_buffers.resize(layers.size());
  uint64_t at = 0;
  for (const uint32_t layer : layers) {
    at += random() % 3 * 40;
    plan.cache_buffers[layer] = BufferId(plan.buffers.size());
    plan.buffers.push_back({"cache", BufferKind::kCache, at, bytes[layer]});
    at += bytes[layer];
  }
  plan.memory.arena_bytes = at;
  return plan;
}

TEST(MoveCaches, TakesEveryByteToItsNewPlace) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    std::vector<uint64_t> bytes(random() % 6);
    for (uint64_t& size : bytes) size = 1 + random() % 100;
    const Plan from = RandomCaches(bytes, random), to = RandomCaches(bytes, random);
    std::vector<std::byte> arena(std::max(from.memory.arena_bytes, to.memory.arena_bytes));
    const auto value = [](size_t layer, uint64_t i) { return std::byte(layer * 50 + i % 47 + 1); };
    for (size_t layer = 0; layer < bytes.size(); ++layer) {
      const uint64_t offset = from.buffer(from.cache_buffers[layer]).offset;
      for (uint64_t i = 0; i < bytes[layer]; ++i) arena[offset + i] = value(layer, i);
    }
    const PackedCaches packed = PackCaches(from, arena.data());
    std::fill(arena.begin() + static_cast<ptrdiff_t>(packed.bytes), arena.end(), std::byte{0});
    SpreadCaches(to, packed, arena.data());
    for (size_t layer = 0; layer < bytes.size(); ++layer) {
      const uint64_t offset = to.buffer(to.cache_buffers[layer]).offset;
      for (uint64_t i = 0; i < bytes[layer]; ++i) {
        ASSERT_EQ(arena[offset + i], value(layer, i)) << round << " " << layer << " " << i;
      }
    }
  }
}

}  // namespace
}  // namespace tinyai
