#include "os/memory_region.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/units.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

uint64_t ResidentPages(const MemoryRegion& region) {
  std::vector<unsigned char> pages(region.size() / 4096);
  if (::mincore(region.data(), region.size(), pages.data()) != 0) return 0;
  return static_cast<uint64_t>(std::ranges::count_if(pages, [](auto page) { return page & 1; }));
}

TEST(MemoryRegion, IsAlignedToHugePagesZeroAndWritable) {
  Budget budget("test", kGiB);
  for (const uint64_t bytes : {uint64_t{1}, uint64_t{4096}, 2 * kMiB, 5 * kMiB + 1, 8 * kMiB}) {
    const MemoryRegion region = *MemoryRegion::Allocate(budget, bytes, "test");
    EXPECT_GE(region.size(), bytes);
    EXPECT_LT(region.size(), bytes + 4096);
    const uint64_t alignment = bytes >= 2 * kMiB ? 2 * kMiB : 4096;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(region.data()) % alignment, 0u);
    for (uint64_t i = 0; i < region.size(); ++i) ASSERT_EQ(region.data()[i], std::byte{0});
    std::fill_n(region.data(), region.size(), std::byte{7});
  }
}

TEST(MemoryRegion, HoldsNothingBeyondItsSize) {
  Budget budget("test", kGiB);
  MemoryRegion region = *MemoryRegion::Allocate(budget, 3 * kMiB, "test");
  EXPECT_EQ(ResidentPages(region), 0u);
  region.data()[0] = std::byte{1};
  EXPECT_LE(ResidentPages(region), 512u);
  region.data()[2 * kMiB] = std::byte{1};  // the tail: one small page
  EXPECT_LE(ResidentPages(region), 513u);
}

TEST(MemoryRegion, IsChargedToItsBudgetAndGivenBack) {
  Budget budget("test", 10 * kMiB);
  {
    MemoryRegion region = *MemoryRegion::Allocate(budget, 6 * kMiB - 1, "weights");
    EXPECT_EQ(budget.used_bytes(), 6 * kMiB);
    const auto second = MemoryRegion::Allocate(budget, 6 * kMiB, "weights");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().key, "BUDGET_EXCEEDED");
    MemoryRegion moved = std::move(region);
    EXPECT_EQ(region.data(), nullptr);
    EXPECT_EQ(moved.size(), 6 * kMiB);
    region = std::move(moved);
    EXPECT_EQ(budget.used_bytes(), 6 * kMiB);
  }
  EXPECT_EQ(budget.used_bytes(), 0u);
  EXPECT_EQ(budget.peak_bytes(), 6 * kMiB);
}

TEST(MemoryRegion, StaysChargedWhenLeaked) {
  Budget budget("test", 10 * kMiB);
  std::byte* data = nullptr;
  {
    MemoryRegion region = *MemoryRegion::Allocate(budget, 4096, "buffer");
    data = region.data();
    region.Leak();
  }
  *data = std::byte{1};  // still mapped
  EXPECT_EQ(budget.used_bytes(), 4096u);
  ::munmap(data, 4096);
}

TEST(MemoryRegion, DiscardsWhatItIsAskedTo) {
  Budget budget("test", Budget::kUnlimited);
  auto made = MemoryRegion::Allocate(budget, 4 * kMiB, "x");
  ASSERT_TRUE(made);
  std::memset(made->data(), 7, made->size());
  made->Discard(kMiB, 3 * kMiB);
  EXPECT_EQ(made->data()[kMiB - 1], std::byte{7});
  EXPECT_EQ(made->data()[kMiB], std::byte{0});
  EXPECT_EQ(made->data()[4 * kMiB - 1], std::byte{0});
  EXPECT_EQ(budget.used_bytes(), 4 * kMiB);
}

TEST(MemoryRegion, ShrinksToWholePages) {
  Budget budget("test", Budget::kUnlimited);
  auto made = MemoryRegion::Allocate(budget, 4 * kMiB, "x");
  ASSERT_TRUE(made);
  std::memset(made->data(), 7, made->size());
  made->Shrink(3 * kMiB - 1);
  EXPECT_EQ(made->size(), 3 * kMiB);
  EXPECT_EQ(budget.used_bytes(), 3 * kMiB);
  EXPECT_EQ(made->data()[3 * kMiB - 1], std::byte{7});
  made->Shrink(4 * kMiB);  // never grows
  EXPECT_EQ(made->size(), 3 * kMiB);
  *made = MemoryRegion();
  EXPECT_EQ(budget.used_bytes(), 0u);
}

TEST(MemoryRegion, PopulatesWhatItIsAskedTo) {
  Budget budget("test", kGiB);
  MemoryRegion region = *MemoryRegion::Allocate(budget, 5 * kMiB, "test");
  ASSERT_TRUE(region.Populate(4 * kMiB, kMiB));
  EXPECT_EQ(ResidentPages(region), 256u);
  ASSERT_TRUE(region.Populate(0, region.size()));
  EXPECT_EQ(ResidentPages(region), 5 * 256u);
}

TEST(MemoryRegion, RefusesMoreThanTheSystemHas) {
  Budget budget("test", Budget::kUnlimited);
  for (const uint64_t bytes : {uint64_t{1} << 50, ~uint64_t{0}, ~uint64_t{0} - 4096}) {
    const auto region = MemoryRegion::Allocate(budget, bytes, "test");
    ASSERT_FALSE(region);
    EXPECT_EQ(region.error().key, "OUT_OF_MEMORY");
    EXPECT_EQ(region.error().code, ErrorCode::kOutOfMemory);
  }
  EXPECT_EQ(budget.used_bytes(), 0u);
}

// Sanitizers reserve more address space than any limit.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TINYAI_NO_ADDRESS_LIMIT 1
#endif

TEST(MemoryRegion, IsAnErrorUnderALimitOfAddressSpace) {
#ifdef TINYAI_NO_ADDRESS_LIMIT
  GTEST_SKIP() << "sanitizers need unlimited address space";
#endif
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit limit = {512 * kMiB, 512 * kMiB};
    ::setrlimit(RLIMIT_AS, &limit);
    Budget budget("test", Budget::kUnlimited);
    const auto large = MemoryRegion::Allocate(budget, kGiB, "test");
    const auto small = MemoryRegion::Allocate(budget, 64 * kMiB, "test");
    const bool right =
        !large && large.error().key == "OUT_OF_MEMORY" && small && budget.used_bytes() == 64 * kMiB;
    ::_exit(right ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace tinyai
