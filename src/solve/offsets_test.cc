#include "solve/offsets.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "solve/exact_packing.h"
#include "solve/first_fit.h"

namespace tinyai {
namespace {

bool LiveTogether(const Buffer& a, const Buffer& b) { return a.begin < b.end && b.begin < a.end; }

uint64_t SlowMostAlive(const std::vector<Buffer>& buffers) {
  uint64_t most = 0;
  for (const Buffer& at : buffers) {
    uint64_t alive = 0;
    for (const Buffer& other : buffers) {
      if (other.begin <= at.begin && at.begin < other.end) alive += other.bytes;
    }
    most = std::max(most, alive);
  }
  return most;
}

void ExpectValid(const std::vector<Buffer>& buffers, const Packing& packing) {
  RC_ASSERT(packing.offsets.size() == buffers.size());
  uint64_t height = 0;
  for (size_t i = 0; i < buffers.size(); ++i) {
    height = std::max(height, packing.offsets[i] + buffers[i].bytes);
    RC_ASSERT(packing.offsets[i] % buffers[i].alignment == 0);
    for (size_t j = 0; j < i; ++j) {
      if (!LiveTogether(buffers[i], buffers[j])) continue;
      RC_ASSERT(packing.offsets[i] + buffers[i].bytes <= packing.offsets[j] ||
                packing.offsets[j] + buffers[j].bytes <= packing.offsets[i]);
    }
  }
  RC_ASSERT(packing.height == height);
  RC_ASSERT(packing.lower_bound <= height);
  RC_ASSERT(packing.lower_bound >= SlowMostAlive(buffers));
}

// Some order of placing every buffer as low as possible gives the optimum, so all are tried.
uint64_t BruteForce(const std::vector<Buffer>& buffers) {
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  uint64_t least = std::numeric_limits<uint64_t>::max();
  do {
    std::vector<uint64_t> offsets(buffers.size());
    uint64_t height = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      const Buffer& buffer = buffers[order[i]];
      uint64_t offset = 0;  // on top of all before it: the order is that of the offsets
      for (size_t j = 0; j < i; ++j) {
        if (LiveTogether(buffer, buffers[order[j]])) {
          offset = std::max(offset, offsets[order[j]] + buffers[order[j]].bytes);
        }
      }
      offset = (offset + buffer.alignment - 1) / buffer.alignment * buffer.alignment;
      offsets[order[i]] = offset;
      height = std::max(height, offset + buffer.bytes);
    }
    least = std::min(least, height);
  } while (std::next_permutation(order.begin(), order.end()));
  return least;
}

// All of the range from the first case on.
template <typename T>
T Within(T least, T end) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<T>(least, end));
}

std::vector<Buffer> RandomBuffers(size_t most, uint64_t times, uint64_t unit, bool aligned) {
  std::vector<Buffer> buffers(Within<size_t>(0, most + 1));
  for (Buffer& buffer : buffers) {
    buffer.begin = Within<uint64_t>(0, times);
    buffer.end = buffer.begin + Within<uint64_t>(1, times);
    buffer.bytes = Within<uint64_t>(1, 12) * unit;
    if (aligned) buffer.alignment = Within<uint64_t>(1, 7);
  }
  return buffers;
}

SearchLimits WithEffort(Effort effort) {
  SearchLimits limits;
  limits.effort = effort;
  return limits;
}

TEST(PackBuffers, IsValidWhateverTheEffort) {
  EXPECT_TRUE(rc::check([](bool aligned) {
    const std::vector<Buffer> buffers = RandomBuffers(50, 30, 64, aligned);
    ExpectValid(buffers, PackBuffers(buffers, WithEffort(Effort::kFast)));
    const std::vector<Buffer> few(
        buffers.begin(), buffers.begin() + static_cast<long>(std::min<size_t>(12, buffers.size())));
    ExpectValid(few, PackBuffers(few, WithEffort(Effort::kNormal)));
    RC_ASSERT(MostBytesAlive(buffers) == SlowMostAlive(buffers));
  }));
}

TEST(PackBuffers, IsTheOptimumOfSmallProblemsAndProvesIt) {
  EXPECT_TRUE(rc::check([](bool aligned) {
    const std::vector<Buffer> buffers = RandomBuffers(7, 8, 3, aligned);
    const Packing packing = PackBuffers(buffers, WithEffort(Effort::kExact));
    ExpectValid(buffers, packing);
    RC_ASSERT(packing.optimal());
    RC_ASSERT(packing.height == (buffers.empty() ? 0 : BruteForce(buffers)));
  }));
}

TEST(PackBuffers, ProvesAHeightAboveTheMostAlive) {
  const std::vector<Buffer> buffers = {{3, 5, 2}, {7, 8, 3}, {0, 2, 4}, {6, 9, 1}, {2, 4, 1},
                                       {2, 5, 2}, {5, 7, 3}, {4, 7, 4}, {1, 3, 4}};
  const Packing packing = PackBuffers(buffers, {});
  EXPECT_EQ(MostBytesAlive(buffers), 8u);
  EXPECT_EQ(packing.height, 9u);
  EXPECT_EQ(packing.lower_bound, 9u);
  EXPECT_EQ(BruteForce(buffers), 9u);
}

TEST(PackBuffers, NestedLifetimesReachTheBoundAtOnce) {
  std::vector<Buffer> buffers;
  for (uint64_t depth = 0; depth < 12; ++depth) {
    for (uint64_t i = 0; i < uint64_t{1} << depth; ++i) {
      const uint64_t length = uint64_t{4096} >> depth;
      buffers.push_back({i * length, (i + 1) * length, 1 + (i * 7 + depth * 13) % 31});
    }
  }
  EXPECT_TRUE(PackBuffers(buffers, WithEffort(Effort::kFast)).optimal());
}

TEST(PackBuffers, BuffersOfOneSizeReachTheBoundAtOnce) {
  EXPECT_TRUE(rc::check([] {
    std::vector<Buffer> buffers = RandomBuffers(60, 40, 1, false);
    for (Buffer& buffer : buffers) buffer.bytes = buffer.alignment = 16;
    const Packing packing = PackBuffers(buffers, WithEffort(Effort::kFast));
    ExpectValid(buffers, packing);
    RC_ASSERT(packing.optimal());
  }));
}

TEST(PackBuffers, TakesWhatIsOdd) {
  EXPECT_EQ(PackBuffers({}, {}).height, 0u);
  EXPECT_TRUE(PackBuffers({}, {}).optimal());
  EXPECT_EQ(PackBuffers({{0, 1, 0}, {0, 5, 0}}, {}).height, 0u);
  const uint64_t huge = uint64_t{1} << 61;
  EXPECT_EQ(PackBuffers({{0, ~uint64_t{0}, huge}, {5, 6, 1}}, {}).height, huge + 1);
  EXPECT_TRUE(CanBePacked({{0, 1, huge}, {0, 1, huge - 3}}));
  EXPECT_FALSE(CanBePacked({{0, 1, huge}, {0, 1, huge - 2}}));
  EXPECT_FALSE(CanBePacked({{0, 1, ~uint64_t{0}}, {0, 1, 2}}));
}

TEST(PackBuffers, IsTheSameEveryTimeAndValidWithoutAnyTime) {
  std::vector<Buffer> buffers;
  for (uint64_t i = 0; i < 300; ++i) {
    buffers.push_back({i * 37 % 101, i * 37 % 101 + 1 + i * i % 23, 1 + i * 7919 % 97});
  }
  const SearchLimits limits = WithEffort(Effort::kFast);
  EXPECT_EQ(PackBuffers(buffers, limits).offsets, PackBuffers(buffers, limits).offsets);
  SearchLimits none = WithEffort(Effort::kExact);
  none.deadline = SearchLimits::Clock::now();
  const Packing packing = PackBuffers(buffers, none);
  EXPECT_TRUE(rc::check([&] { ExpectValid(buffers, packing); }));
}

// The height is the least capacity that can be had.
TEST(PackWithin, FitsExactlyFromTheOptimumOn) {
  EXPECT_TRUE(rc::check([] {
    const std::vector<Buffer> buffers = RandomBuffers(12, 10, 5, false);
    const SearchLimits limits = WithEffort(Effort::kExact);
    const uint64_t least = PackBuffers(buffers, limits).height;
    const CapacityAnswer enough = PackWithin(buffers, least + Within<uint64_t>(0, 9), limits);
    ExpectValid(buffers, enough.packing);
    RC_ASSERT(enough.fits);
    if (least == 0) return;
    const CapacityAnswer less = PackWithin(buffers, least - 1, limits);
    ExpectValid(buffers, less.packing);
    RC_ASSERT(!less.fits && less.proved);
    RC_ASSERT(less.packing.lower_bound == least);
  }));
}

// First fit is what it says: no item could lie lower among those before it in the order.
TEST(FirstFit, TakesTheLowestGap) {
  EXPECT_TRUE(rc::check([](bool aligned) {
    const Sections sections = MakeSections(RandomBuffers(40, 40, 1, aligned));
    const std::vector<Sections::Item>& items = sections.items;
    std::vector<uint32_t> order(items.size());
    std::iota(order.begin(), order.end(), 0u);
    const FitResult placement = FirstFit(sections, order);
    for (size_t i = 0; i < items.size(); ++i) {
      const auto free = [&](int64_t offset) {
        for (size_t j = 0; j < i; ++j) {
          if (items[i].first < items[j].last && items[j].first < items[i].last &&
              offset < placement.offsets[j] + items[j].size &&
              placement.offsets[j] < offset + items[i].size) {
            return false;
          }
        }
        return true;
      };
      int64_t lowest = 0;
      while (!free(lowest)) lowest += items[i].alignment;
      RC_ASSERT(placement.offsets[i] == lowest);
    }
  }));
}

}  // namespace
}  // namespace tinyai
