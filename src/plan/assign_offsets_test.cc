#include "plan/assign_offsets.h"
#include "gtest/gtest.h"
#include "rapidcheck.h"

namespace tinyai {
namespace {

bool LiveTogether(const Lifetime& a, const Lifetime& b) {
  return a.begin <= b.end && b.begin <= a.end;
}

void ExpectSound(const std::vector<Lifetime>& items) {
  std::vector<uint64_t> offsets;
  const uint64_t height = AssignOffsets(items, offsets);
  RC_ASSERT(offsets.size() == items.size());
  uint64_t highest = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    highest = std::max(highest, offsets[i] + items[i].bytes);
    for (size_t j = 0; j < i; ++j) {
      if (!LiveTogether(items[i], items[j])) continue;
      RC_ASSERT(offsets[i] + items[i].bytes <= offsets[j] ||
                offsets[j] + items[j].bytes <= offsets[i]);
    }
  }
  RC_ASSERT(height == highest);
  RC_ASSERT(height >= MostBytesAlive(items));
}

TEST(AssignOffsets, NeverOverlapsWhatLivesTogether) {
  EXPECT_TRUE(rc::check([] {
    std::vector<Lifetime> items(*rc::gen::inRange<size_t>(0, 40));
    for (Lifetime& item : items) {
      item.bytes = *rc::gen::inRange<uint64_t>(1, 12) * 64;
      item.begin = *rc::gen::inRange<size_t>(0, 30);
      item.end = item.begin + *rc::gen::inRange<size_t>(0, 12);
    }
    ExpectSound(items);
  }));
}

TEST(AssignOffsets, StacksWhatLivesTogetherAndReusesWhatDoesNot) {
  std::vector<uint64_t> offsets;
  EXPECT_EQ(AssignOffsets({}, offsets), 0u);
  EXPECT_EQ(AssignOffsets({{64, 0, 1}, {128, 1, 2}, {64, 2, 3}}, offsets), 192u);
  EXPECT_EQ(offsets, (std::vector<uint64_t>{128, 0, 128}));
}

}  // namespace
}  // namespace tinyai
