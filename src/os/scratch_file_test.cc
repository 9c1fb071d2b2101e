#include "os/scratch_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "gtest/gtest.h"
#include "os/measure_scratch.h"
#include "os/testing.h"

namespace tinyai {
namespace {

TEST(ScratchFile, HasNoNameAndHoldsWhatIsWritten) {
  const ScratchDirectory scratch;
  ::setenv("TMPDIR", scratch.path().c_str(), 1);
  const auto file = ScratchFile::Create(100'000);
  ::unsetenv("TMPDIR");
  ASSERT_TRUE(file) << Describe(file.error());
  const std::string bytes = PatternBytes(5000);
  ASSERT_TRUE((*file)->WriteAt(70'000, std::as_bytes(std::span(bytes))));
  const auto reader = (*file)->Open("scratch");
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->size(), 100'000u);
  std::string back(5000, '\0');
  ASSERT_TRUE((*reader)->ReadAt(70'000, std::as_writable_bytes(std::span(back))));
  EXPECT_EQ(back, bytes);
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST(ScratchFile, ADiskThatIsTooSmallIsToldAtOnce) {
  const auto file = ScratchFile::Create(uint64_t{1} << 60);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().key, "IO_WRITE");
}

// Memory for whole blocks.
struct Blocks {
  explicit Blocks(uint64_t size) : size_(size), memory_(size + ScratchFile::kBlock) {}
  std::span<std::byte> bytes() {
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    return {memory_.data() + (ScratchFile::kBlock - address % ScratchFile::kBlock), size_};
  }

 private:
  uint64_t size_;
  std::vector<std::byte> memory_;
};

// Writes a little at a time, or fails.
class SlowWrites : public WriteCalls {
 public:
  int64_t Pwrite(int fd, const void* data, uint64_t size, uint64_t offset) override {
    if (++calls % 3 == 0) return -EINTR;
    if (calls > most_calls) return -error;
    return WriteCalls::Pwrite(fd, data, std::min(size, most_bytes), offset);
  }
  uint64_t calls = 0, most_calls = ~uint64_t{0}, most_bytes = 4096;
  int error = ENOSPC;
};

TEST(ScratchFile, BlocksComeBackAsTheyWereHoweverTheyAreWritten) {
  const std::string pattern = PatternBytes(5 * 4096);
  for (const uint64_t most : {uint64_t{1} << 20, uint64_t{4096}, uint64_t{100}}) {
    SlowWrites writes;
    writes.most_bytes = most;
    const auto file = ScratchFile::Create(10 * 4096, writes);
    ASSERT_TRUE(file) << Describe(file.error());
    Blocks from(pattern.size()), to(pattern.size());
    std::ranges::copy(std::as_bytes(std::span(pattern)), from.bytes().begin());
    const Status written = (*file)->WriteBlocks(3 * 4096, from.bytes());
    ASSERT_TRUE(written) << Describe(written.error());
    const Status read = (*file)->ReadBlocks(3 * 4096, to.bytes());
    ASSERT_TRUE(read) << Describe(read.error());
    EXPECT_TRUE(std::ranges::equal(from.bytes(), to.bytes())) << most;
  }
}

TEST(ScratchFile, WhatTheDiskRefusesIsAnError) {
  Blocks blocks(4 * 4096);
  for (const int error : {ENOSPC, EIO, EFBIG, EDQUOT}) {
    SlowWrites writes;
    writes.most_calls = 1;
    writes.error = error;
    const auto file = ScratchFile::Create(4 * 4096, writes);
    ASSERT_TRUE(file) << Describe(file.error());
    const Status written = (*file)->WriteBlocks(0, blocks.bytes());
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().key, "IO_WRITE");
  }
  FaultyCalls faulty;
  faulty.on_read = [](uint64_t, int64_t) { return -EIO; };
  const auto file = ScratchFile::Create(4 * 4096);
  ASSERT_TRUE(file) << Describe(file.error());
  const ReplacedSystemCalls replaced(faulty);
  const Status read = (*file)->ReadBlocks(0, blocks.bytes());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().key, "IO_READ");
}

TEST(ScratchFile, ItsRatesAreMeasuredInTheMemoryOfAPiece) {
  Budget budget("test", uint64_t{4} << 20);
  const Result<ScratchRate> rate = MeasureScratchRate(budget);
  ASSERT_TRUE(rate) << Describe(rate.error());
  EXPECT_GT(rate->write_bytes_per_second, 0);
  EXPECT_GT(rate->read_bytes_per_second, 0);
  Budget small("test", 4096);
  EXPECT_FALSE(MeasureScratchRate(small));
}

}  // namespace
}  // namespace tinyai
