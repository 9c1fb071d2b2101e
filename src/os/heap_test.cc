#include "os/heap.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace tinyai
