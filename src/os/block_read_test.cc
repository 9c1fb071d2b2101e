#include "os/block_read.h"

#include <array>
#include <cerrno>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

constexpr uint64_t kFileSize = 10'000;
std::array<std::byte, 16384> g_data;

BlockRead Direct(uint64_t offset, uint64_t size) {
  return BlockRead("model", kFileSize, offset, g_data.data(), size, 512);
}

TEST(BlockRead, AsksForWholeBlocksButNeedsOnlyTheFile) {
  BlockRead read = Direct(8192, 4096);
  EXPECT_EQ(read.size(), 4096u);
  EXPECT_EQ(read.wanted_bytes(), 10'000u - 8192);
  ASSERT_TRUE(read.Advance(10'000 - 8192));
  EXPECT_TRUE(read.finished());
  EXPECT_FALSE(read.used_cache());
}

TEST(BlockRead, HasNothingToDoPastTheEnd) {
  EXPECT_TRUE(Direct(10'240, 4096).finished());
  EXPECT_TRUE(Direct(0, 0).finished());
}

TEST(BlockRead, ContinuesADirectReadFromTheLastWholeBlock) {
  BlockRead read = Direct(4096, 4096);
  ASSERT_TRUE(read.Advance(1300));
  EXPECT_EQ(read.offset(), 4096u + 1024);
  EXPECT_EQ(read.size(), 4096u - 1024);
  EXPECT_EQ(read.data(), g_data.data() + 1024);
  EXPECT_FALSE(read.finished());
  ASSERT_TRUE(read.Advance(4096 - 1024));
  EXPECT_TRUE(read.finished());
}

TEST(BlockRead, GoesThroughTheCacheWhenDirectReadsGetNowhere) {
  BlockRead read = Direct(4096, 4096);
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(read.direct());
    ASSERT_TRUE(read.Advance(1));
  }
  EXPECT_FALSE(read.direct());
  EXPECT_TRUE(read.used_cache());
  EXPECT_EQ(read.offset(), 4096u);
  for (int i = 0; i < 4096; ++i) ASSERT_TRUE(read.Advance(1));
  EXPECT_TRUE(read.finished());
}

TEST(BlockRead, GoesThroughTheCacheWhenDirectReadsAreRefused) {
  for (const int error : {EINVAL, EOPNOTSUPP}) {
    BlockRead read = Direct(0, 4096);
    ASSERT_TRUE(read.Advance(-error));
    EXPECT_FALSE(read.direct());
    ASSERT_TRUE(read.Advance(-error));  // from here on it is an error as any other
    EXPECT_EQ(read.Advance(-error).error().key, "IO_READ");
  }
}

TEST(BlockRead, RetriesAnErrorOnceAfterEachProgress) {
  BlockRead read("model", kFileSize, 0, g_data.data(), 4096, 0);
  ASSERT_TRUE(read.Advance(-EIO));
  ASSERT_TRUE(read.Advance(100));
  ASSERT_TRUE(read.Advance(-EIO));
  const Status status = read.Advance(-EIO);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().key, "IO_READ");
  EXPECT_EQ(status.error().offset, 100u);
}

TEST(BlockRead, RetriesInterruptionsAThousandTimes) {
  BlockRead read("model", kFileSize, 0, g_data.data(), 4096, 0);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(read.Advance(i % 2 == 0 ? -EINTR : -EAGAIN));
  EXPECT_EQ(read.Advance(-EINTR).error().key, "IO_READ");
}

TEST(BlockRead, TakesAnEarlyEndForAChangedFile) {
  BlockRead read = Direct(0, 8192);
  ASSERT_TRUE(read.Advance(512));
  const Status status = read.Advance(0);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().key, "MODEL_CHANGED");
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
}

TEST(BlockRead, AsksForNoMoreThanOneCallCanTransfer) {
  const uint64_t size = uint64_t{5} << 30;
  BlockRead read("model", size, 0, g_data.data(), size, 4096);
  EXPECT_EQ(read.size(), uint64_t{1} << 30);
  ASSERT_TRUE(read.Advance(int64_t{1} << 30));
  EXPECT_EQ(read.offset(), uint64_t{1} << 30);
}

}  // namespace
}  // namespace tinyai
