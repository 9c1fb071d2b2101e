#include "solve/ejection.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "solve/neighbours.h"
#include "solve/tree_fit.h"

namespace tinyai {
namespace {

using Item = Sections::Item;

bool Meet(const Item& a, const Item& b) { return a.first < b.last && b.first < a.last; }

void ExpectValid(const Sections& sections, const FitResult& fit) {
  const std::vector<Item>& items = sections.items;
  RC_ASSERT(fit.offsets.size() == items.size());
  int64_t height = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    RC_ASSERT(fit.offsets[i] >= 0 && fit.offsets[i] % items[i].alignment == 0);
    height = std::max(height, fit.offsets[i] + items[i].size);
    for (size_t j = 0; j < i; ++j) {
      RC_ASSERT(!Meet(items[i], items[j]) || fit.offsets[i] + items[i].size <= fit.offsets[j] ||
                fit.offsets[j] + items[j].size <= fit.offsets[i]);
    }
  }
  RC_ASSERT(fit.height == height);
}

// All of the range from the first case on.
template <typename T>
T Within(T least, T end) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<T>(least, end));
}

Sections RandomSections(size_t most, uint64_t times, uint64_t longest, bool aligned) {
  std::vector<Buffer> buffers(Within<size_t>(1, most + 1));
  for (Buffer& buffer : buffers) {
    buffer.begin = Within<uint64_t>(0, times);
    buffer.end = buffer.begin + Within<uint64_t>(1, Within<uint64_t>(2, longest));
    buffer.bytes = Within<uint64_t>(1, 100);
    if (aligned) buffer.alignment = Within<uint64_t>(1, 7);
  }
  return MakeSections(buffers);
}

FitResult OneOnAnother(const Sections& sections) {
  FitResult out;
  for (const Item& item : sections.items) {
    out.offsets.push_back(AlignUp(out.height, item.alignment));
    out.height = out.offsets.back() + item.size;
  }
  return out;
}

TEST(MakeSections, BuffersMeetIfTheyShareASection) {
  EXPECT_TRUE(rc::check([] {
    const uint64_t from = Within<uint64_t>(0, 2) * (uint64_t{1} << 63);
    const uint64_t stretch = Within<uint64_t>(1, 3) * Within<uint64_t>(1, 1u << 30);
    std::vector<Buffer> buffers(Within<size_t>(1, 60));
    for (Buffer& buffer : buffers) {
      buffer.begin = from + stretch * Within<uint64_t>(0, 40);
      buffer.end = buffer.begin + stretch * Within<uint64_t>(1, 20);
      buffer.bytes = 1;
    }
    const Sections sections = MakeSections(buffers);
    std::set<uint32_t> used;
    for (const Item& a : sections.items) {
      RC_ASSERT(a.first < a.last && a.last <= sections.count);
      for (const Item& b : sections.items) {
        const Buffer &x = buffers[a.buffer], &y = buffers[b.buffer];
        RC_ASSERT(Meet(a, b) == (x.begin < y.end && y.begin < x.end));
      }
      for (uint32_t s = a.first; s < a.last; ++s) used.insert(s);
    }
    RC_ASSERT(used.size() == sections.count);
  }));
}

TEST(Neighbours, AreAllThatLiveInTheSections) {
  EXPECT_TRUE(rc::check([] {
    const Sections sections = RandomSections(300, 400, 100, false);
    const Neighbours neighbours(sections);
    const auto first = Within<uint32_t>(0, sections.count);
    const auto last = Within<uint32_t>(first + 1, sections.count + 1);
    std::vector<uint32_t> found, wanted;
    neighbours.ForEach(first, last, [&](uint32_t i) { found.push_back(i); });
    for (uint32_t i = 0; i < sections.items.size(); ++i) {
      if (sections.items[i].first < last && first < sections.items[i].last) wanted.push_back(i);
    }
    std::sort(found.begin(), found.end());
    RC_ASSERT(found == wanted);
  }));
}

TEST(TreeFit, IsValidInEveryManner) {
  EXPECT_TRUE(rc::check([](bool aligned) {
    const Sections sections = RandomSections(150, 200, 60, aligned);
    for (const auto cut : {TreeManner::Cut::kCrowded, TreeManner::Cut::kMiddle}) {
      for (const auto first :
           {TreeManner::First::kLong, TreeManner::First::kFar, TreeManner::First::kLarge,
            TreeManner::First::kArea, TreeManner::First::kEarly}) {
        const std::optional<FitResult> fit = TreeFit(sections, {cut, first}, 1'000'000);
        RC_ASSERT(fit);
        ExpectValid(sections, *fit);
        RC_ASSERT(fit->height <= OneOnAnother(sections).height);
      }
    }
  }));
}

TEST(TreeFit, GivesUpWhereItWouldLookTooOften) {
  std::vector<Buffer> buffers(1000, {0, 2, 3, 1});
  EXPECT_FALSE(TreeFit(MakeSections(buffers), {}, 100'000));
  EXPECT_TRUE(TreeFit(MakeSections(buffers), {}, 1'000'000));
}

TEST(LowerByEjection, IsValidAndNeverHigher) {
  EXPECT_TRUE(rc::check([](bool aligned) {
    const Sections sections = RandomSections(60, 60, 30, aligned);
    const FitResult start = OneOnAnother(sections);
    const int64_t enough = MostAlive(sections) + Within<int64_t>(0, 50);
    FitResult fit = start;
    LowerByEjection(sections, enough, Within<uint64_t>(1, 20'000), {}, fit);
    ExpectValid(sections, fit);
    RC_ASSERT(fit.height <= start.height);
    FitResult again = start;
    LowerByEjection(sections, start.height, 20'000, {}, again);
    RC_ASSERT(again.offsets == start.offsets);  // there was enough
  }));
}

// Time and arena cut into rectangles, of which some are left out: they can all be put back.
TEST(LowerByEjection, FindsAPackingWhereThereIsOne) {
  std::vector<Buffer> buffers;
  int64_t height = 0;
  for (uint64_t row = 0; row < 12; ++row) height += 16 + static_cast<int64_t>(row);
  for (uint64_t row = 0; row < 12; ++row) {
    for (uint64_t begin = 0, end = 0; begin < 600; begin = end) {
      end = std::min<uint64_t>(600, begin + 1 + (begin * 31 + row * 17) % 23);
      if ((begin + row) % 3 != 0) buffers.push_back({begin, end, 16 + row});
    }
  }
  const Sections sections = MakeSections(buffers);
  FitResult fit = OneOnAnother(sections);
  LowerByEjection(sections, height, 10'000'000, {}, fit);
  EXPECT_LE(fit.height, height);
  FitResult again = OneOnAnother(sections);
  LowerByEjection(sections, height, 10'000'000, {}, again);
  EXPECT_EQ(fit.offsets, again.offsets);
}

TEST(LowerByEjection, EndsAtOnceWhenStopped) {
  const std::vector<Buffer> buffers = {{0, 2, 3}, {2, 4, 3}, {1, 3, 5}};
  const Sections sections = MakeSections(buffers);
  FitResult fit = OneOnAnother(sections);
  SearchLimits limits;
  limits.deadline = SearchLimits::Clock::now();
  LowerByEjection(sections, 0, 1'000'000, limits, fit);
  EXPECT_EQ(fit.offsets, OneOnAnother(sections).offsets);
}

}  // namespace
}  // namespace tinyai
