#include "plan/stretches.h"

#include <set>

#include "gtest/gtest.h"
#include "rapidcheck.h"

namespace tinyai {
namespace {

// What each byte of a memory holds, kept byte by byte.
struct Byte {
  int header = 0;
  std::multiset<int> items;
};

struct RandomBuffers {
  RandomBuffers() {
    const size_t count = *rc::gen::inRange<size_t>(1, 60);
    const uint64_t size = *rc::gen::inRange<uint64_t>(1, 400);
    plan.heights = {7, size};
    for (size_t i = 0; i < count; ++i) {
      const uint64_t offset = *rc::gen::inRange<uint64_t>(0, size);
      const uint64_t bytes = *rc::gen::inRange<uint64_t>(0, size - offset + 1);
      (i % 3 == 0 ? plan.workspaces : plan.value_buffers).push_back({MemoryId(1), offset, bytes});
    }
  }
  NetPlan plan;
};

// Random writes and reads leave in every stretch what a memory of single bytes would hold.
TEST(Stretches, RememberWhatHappenedToEveryByte) {
  EXPECT_TRUE(rc::check([] {
    const NetPlan plan = RandomBuffers().plan;
    const BufferCells cells(plan);
    Stretches<int, int> memory(cells.counts()[1]);
    std::vector<Byte> bytes(plan.heights[1]);
    const size_t values = plan.value_buffers.size();
    const size_t buffers = values + plan.workspaces.size();
    for (int step = 1; step < 100; ++step) {
      const size_t i = *rc::gen::inRange<size_t>(0, buffers);
      const NetBuffer& buffer = i < values ? plan.value_buffers[i] : plan.workspaces[i - values];
      const CellRange range = i < values ? cells.value(i) : cells.workspace(i - values);
      RC_ASSERT((range.first == range.last) == (buffer.bytes == 0));
      if (buffer.bytes == 0) continue;
      std::set<std::pair<int, std::multiset<int>>> expected, found;
      for (uint64_t b = buffer.offset; b < buffer.offset + buffer.bytes; ++b) {
        expected.emplace(bytes[b].header, bytes[b].items);
      }
      memory.Each(range, [&](const auto& stretch) {
        std::multiset<int> items;
        memory.EachItem(stretch, [&](int item) {
          items.insert(item);
          return true;
        });
        found.emplace(stretch.header, items);
        return true;
      });
      RC_ASSERT(found == expected);
      if (*rc::gen::arbitrary<bool>()) {
        memory.Join(range).header = step;
        for (uint64_t b = 0; b < buffer.bytes; ++b) bytes[buffer.offset + b] = {step, {}};
      } else {
        memory.Each(range, [&](auto& stretch) {
          memory.Add(stretch, step);
          return true;
        });
        for (uint64_t b = 0; b < buffer.bytes; ++b) bytes[buffer.offset + b].items.insert(step);
      }
    }
  }));
}

TEST(Stretches, StopWhereAVisitSaysSo) {
  NetPlan plan;
  plan.heights = {8};
  plan.value_buffers = {{MemoryId(0), 0, 4}, {MemoryId(0), 4, 4}, {MemoryId(0), 0, 8}};
  const BufferCells cells(plan);
  Stretches<int, int> memory(cells.counts()[0]);
  memory.Join(cells.value(0)).header = 1;
  memory.Join(cells.value(1)).header = 2;
  int seen = 0;
  EXPECT_FALSE(memory.Each(cells.value(2), [&](const auto& stretch) {
    seen += stretch.header;
    return false;
  }));
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace tinyai
