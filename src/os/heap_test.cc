#include "os/heap.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <vector>

#include "os/process_stats.h"

namespace tinyai {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnAllocator = true;
#else
constexpr bool kOwnAllocator = false;
#endif

// Small blocks with one between them that stays: no allocator gives such pages back by itself.
TEST(Heap, FreedBlocksBetweenOthersGoBackToTheSystem) {
  if (kOwnAllocator) GTEST_SKIP() << "the sanitizer's allocator keeps what is freed";
  constexpr size_t kBlocks = 4096, kBytes = 16384;
  std::vector<std::unique_ptr<char[]>> freed, kept;
  for (size_t i = 0; i < kBlocks; ++i) {
    freed.push_back(std::make_unique<char[]>(kBytes));  // zeroed: its pages are there
    kept.push_back(std::make_unique<char[]>(16));
  }
  const uint64_t before = ReadProcessStats().resident_bytes;
  freed.clear();
  ReturnFreedMemory();
  EXPECT_LT(ReadProcessStats().resident_bytes, before - kBlocks * kBytes / 2);
}

// Whoever takes again what was freed meets no new page: the system would have cleared it.
TEST(Heap, KeptMemoryIsThereWhenItIsTakenAgain) {
  if (kOwnAllocator) GTEST_SKIP() << "the sanitizer's allocator has rules of its own";
  constexpr size_t kBytes = size_t{64} << 20, kPage = 4096;
  const auto faults_of_taking = [] {
    rusage before{}, after{};
    ::getrusage(RUSAGE_THREAD, &before);
    const std::vector<char> taken(kBytes, 1);
    EXPECT_EQ(taken.back(), 1);
    ::getrusage(RUSAGE_THREAD, &after);
    return after.ru_minflt - before.ru_minflt;
  };
  KeepFreedMemory();
  faults_of_taking();
  EXPECT_LT(faults_of_taking(), static_cast<long>(kBytes / kPage / 100));
}

}  // namespace
}  // namespace tinyai
