#include "os/read_queue.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

#include "base/checked.h"
#include "gtest/gtest.h"
#include "os/memory_region.h"
#include "os/testing.h"

namespace tinyai {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kBlock = 16384;
constexpr uint64_t kFileSize = 10 * kBlock + 1234;  // ends in the middle of a block

class ReadQueueTest : public testing::TestWithParam<IoPath> {
 protected:
  ReadQueueTest() : bytes_(PatternBytes(kFileSize)) {
    path_ = scratch_.Write("model", bytes_);
    file_ = *File::Open(path_);
    region_ = *MemoryRegion::Allocate(budget_, RoundUp(kFileSize, kBlock), "test");
  }

  std::unique_ptr<ReadQueue> Open(uint32_t depth = 2) {
    const File* const files[] = {file_.get()};
    return *OpenReadQueue(files, {.path = GetParam(), .depth = depth}, calls_);
  }

  ReadRequest Block(uint64_t index) {
    return {.file = 0,
            .offset = index * kBlock,
            .data = region_.data() + index * kBlock,
            .size = kBlock,
            .tag = index};
  }

  // Reads every block; the first error, if there is one.
  Status ReadAll(ReadQueue& queue) {
    std::memset(region_.data(), 0, region_.size());
    Status status;
    uint64_t next = 0;
    const uint64_t count = region_.size() / kBlock;
    while (next < count || queue.in_flight() > 0) {
      if (next < count && queue.in_flight() < queue.depth()) {
        TRY(queue.Submit(Block(next++)));
        continue;
      }
      const Result<uint64_t> tag = queue.Wait(seconds(20));
      if (!tag && status) status = tl::unexpected(tag.error());
      if (!tag && tag.error().code == ErrorCode::kCancelled) break;
    }
    return status;
  }

  bool BytesAreRight() const {
    return std::memcmp(region_.data(), bytes_.data(), bytes_.size()) == 0;
  }

  Budget budget_{"test", Budget::kUnlimited};
  ScratchDirectory scratch_;
  FaultyCalls calls_;
  std::string bytes_, path_;
  std::unique_ptr<File> file_;
  MemoryRegion region_;
};

INSTANTIATE_TEST_SUITE_P(Paths, ReadQueueTest,
                         testing::Values(IoPath::kUring, IoPath::kDirect, IoPath::kBuffered),
                         [](const auto& test) { return std::string(Name(test.param)); });

TEST_P(ReadQueueTest, UsesThePathItWasAskedFor) {
  const IoPath path = Open()->path();
  if (GetParam() == IoPath::kUring && path != IoPath::kUring) {
    GTEST_SKIP() << "no io_uring here, so these tests run on path " << Name(path);
  }
  EXPECT_EQ(path, GetParam()) << "is the build on a file system without O_DIRECT?";
}

TEST_P(ReadQueueTest, ReadsEveryByteAtEveryDepth) {
  for (const uint32_t depth : {1u, 2u, 7u}) {
    const auto queue = Open(depth);
    EXPECT_EQ(queue->depth(), depth);
    const Status status = ReadAll(*queue);
    ASSERT_TRUE(status) << Describe(status.error());
    EXPECT_TRUE(BytesAreRight()) << "depth " << depth;
  }
}

TEST_P(ReadQueueTest, ReadsAPartAsAFileOfItsOwn) {
  const uint64_t begin = 4096, size = 3 * kBlock + 77;
  const auto part = *File::OpenPart(path_, begin, size, "embedded model");
  const File* const files[] = {file_.get(), part.get()};
  const auto queue = *OpenReadQueue(files, {.path = GetParam(), .depth = 2}, calls_);
  for (uint64_t i = 0; i < 4; ++i) {
    ReadRequest request = Block(i);
    request.file = 1;
    ASSERT_TRUE(queue->Submit(request));
    ASSERT_EQ(queue->Wait(seconds(20)), i);
  }
  EXPECT_EQ(std::memcmp(region_.data(), bytes_.data() + begin, size), 0);
}

TEST_P(ReadQueueTest, RetriesOneFailureOfEveryRead) {
  const std::vector<int64_t> errors = {-EIO, -ECANCELED, -ESTALE, -ENOTCONN};
  const uint64_t reads = [&] {
    ReadAll(*Open());
    return calls_.reads.load();
  }();
  for (uint64_t k = 0; k < reads; ++k) {
    const int64_t error = errors[k % errors.size()];
    calls_.on_read = [=](uint64_t n, int64_t result) { return n == k ? error : result; };
    calls_.reads = 0;
    const Status status = ReadAll(*Open());
    ASSERT_TRUE(status) << Describe(status.error());
    EXPECT_TRUE(BytesAreRight()) << "read " << k;
  }
}

TEST_P(ReadQueueTest, NamesTheFileAndTheByteWhenAReadKeepsFailing) {
  auto queue = Open(1);
  calls_.on_read = [](uint64_t, int64_t) { return -EIO; };
  ASSERT_TRUE(queue->Submit(Block(3)));
  const Result<uint64_t> tag = queue->Wait(seconds(20));
  ASSERT_FALSE(tag);
  EXPECT_EQ(tag.error().key, "IO_READ");
  EXPECT_EQ(tag.error().code, ErrorCode::kIo);
  EXPECT_EQ(tag.error().file, path_);
  EXPECT_EQ(tag.error().offset, 3 * kBlock);
  EXPECT_EQ(queue->in_flight(), 0u);

  calls_.on_read = nullptr;  // the fault ends
  EXPECT_TRUE(ReadAll(*queue));
  EXPECT_TRUE(BytesAreRight());
}

TEST_P(ReadQueueTest, ContinuesShortReads) {
  const std::function<int64_t(int64_t)> shortened[] = {
      [](int64_t size) { return std::min<int64_t>(size, 1000); },
      [](int64_t size) { return (size + 1) / 2; },
      [](int64_t size) { return std::min<int64_t>(size, 100); },
      [](int64_t size) { return std::min<int64_t>(size, 1); },
  };
  for (const auto& shorten : shortened) {
    calls_.on_read = [&](uint64_t, int64_t result) {
      return result > 0 ? shorten(result) : result;
    };
    const auto queue = Open();
    ASSERT_TRUE(queue->Submit(Block(10)));  // the last one, whose end is not a whole block
    ASSERT_EQ(queue->Wait(seconds(20)), 10u);
    const uint64_t begin = 10 * kBlock;
    EXPECT_EQ(std::memcmp(region_.data() + begin, bytes_.data() + begin, kFileSize - begin), 0);
  }
}

TEST_P(ReadQueueTest, RidesOutStormsOfInterruptions) {
  calls_.on_read = [](uint64_t n, int64_t result) {
    return n % 900 == 899 ? result : n % 2 == 0 ? -EINTR : -EAGAIN;
  };
  const auto queue = Open(1);
  ASSERT_TRUE(queue->Submit(Block(0)));
  ASSERT_EQ(queue->Wait(seconds(20)), 0u);
  EXPECT_EQ(std::memcmp(region_.data(), bytes_.data(), kBlock), 0);
}

TEST_P(ReadQueueTest, GivesUpOnEndlessInterruptions) {
  const auto queue = Open(1);
  calls_.on_read = [](uint64_t, int64_t) { return -EINTR; };
  ASSERT_TRUE(queue->Submit(Block(0)));
  const Result<uint64_t> tag = queue->Wait(seconds(20));
  ASSERT_FALSE(tag);
  EXPECT_EQ(tag.error().key, "IO_READ");
}

TEST_P(ReadQueueTest, NoticesAFileThatShrank) {
  const auto queue = Open(1);
  ASSERT_EQ(::truncate(path_.c_str(), 2 * kBlock), 0);
  ASSERT_TRUE(queue->Submit(Block(4)));
  const Result<uint64_t> tag = queue->Wait(seconds(20));
  ASSERT_FALSE(tag);
  EXPECT_EQ(tag.error().key, "MODEL_CHANGED");
  EXPECT_EQ(queue->in_flight(), 0u);
}

TEST_P(ReadQueueTest, NoticesAFileThatGrew) {
  const auto queue = Open(1);
  ASSERT_EQ(::truncate(path_.c_str(), kFileSize + 1), 0);
  ASSERT_TRUE(queue->Submit(Block(0)));
  const Result<uint64_t> tag = queue->Wait(seconds(20));
  ASSERT_FALSE(tag);
  EXPECT_EQ(tag.error().key, "MODEL_CHANGED");
}

TEST_P(ReadQueueTest, NoticesAFileThatWasReplaced) {
  const auto queue = Open(1);
  ASSERT_EQ(::rename(scratch_.Write("new", bytes_).c_str(), path_.c_str()), 0);
  ASSERT_TRUE(queue->Submit(Block(0)));
  const Result<uint64_t> tag = queue->Wait(seconds(20));
  ASSERT_FALSE(tag);
  EXPECT_EQ(tag.error().key, "MODEL_CHANGED");
}

TEST_P(ReadQueueTest, ReadsOnFromADeletedFile) {
  const auto queue = Open(1);
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  EXPECT_TRUE(ReadAll(*queue));
  EXPECT_TRUE(BytesAreRight());
}

TEST_P(ReadQueueTest, CancelWakesAWaitAndHoldsForGood) {
  const auto queue = Open(1);
  std::mutex stuck;
  stuck.lock();
  if (GetParam() != IoPath::kUring) {
    calls_.on_read = [&](uint64_t, int64_t result) {
      const std::lock_guard wait(stuck);
      return result;
    };
  }
  ASSERT_TRUE(queue->Submit(Block(0)));
  if (GetParam() == IoPath::kUring) queue->Cancel();  // its reads cannot be held up
  std::thread canceller([&] {
    std::this_thread::sleep_for(milliseconds(20));
    queue->Cancel();
  });
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 2; ++i) {
    const Result<uint64_t> tag = queue->Wait(seconds(20));
    ASSERT_FALSE(tag);
    EXPECT_EQ(tag.error().key, "CANCELLED");
    EXPECT_EQ(tag.error().code, ErrorCode::kCancelled);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(5));
  canceller.join();
  stuck.unlock();
  EXPECT_TRUE(queue->Stop(seconds(10)));
}

TEST_P(ReadQueueTest, CanBeDestroyedWithReadsInFlight) {
  for (uint64_t i = 0; i < 50; ++i) {
    const auto queue = Open(3);
    for (uint64_t block = 0; block <= i % 3; ++block) ASSERT_TRUE(queue->Submit(Block(block)));
  }
}

TEST_P(ReadQueueTest, KeepsAReadInFlightThatTimedOut) {
  const auto queue = Open(1);
  std::mutex held;
  calls_.on_read = [&](uint64_t, int64_t result) {
    if (GetParam() != IoPath::kUring) const std::lock_guard wait(held);
    return result;
  };
  bool timed_out = false;
  for (uint64_t block = 0; block < 10; ++block) {
    std::unique_lock hold(held);
    ASSERT_TRUE(queue->Submit(Block(block)));
    Result<uint64_t> tag = queue->Wait(std::chrono::nanoseconds(0));
    hold.unlock();
    if (!tag) {
      timed_out = true;
      EXPECT_EQ(tag.error().key, "IO_TIMEOUT");
      EXPECT_EQ(queue->in_flight(), 1u);
      tag = queue->Wait(seconds(20));
    }
    ASSERT_TRUE(tag) << Describe(tag.error());
    EXPECT_EQ(tag, block);
    EXPECT_EQ(queue->in_flight(), 0u);
  }
  EXPECT_EQ(std::memcmp(region_.data(), bytes_.data(), 10 * kBlock), 0);
  if (!timed_out && GetParam() == IoPath::kUring) {
    GTEST_SKIP() << "each read was done at once, and io_uring's reads cannot be held up";
  }
  EXPECT_TRUE(timed_out);
}

class StuckReadTest : public ReadQueueTest {};
INSTANTIATE_TEST_SUITE_P(Paths, StuckReadTest, testing::Values(IoPath::kDirect, IoPath::kBuffered),
                         [](const auto& test) { return std::string(Name(test.param)); });

TEST_P(StuckReadTest, TimesOutAndIsLeftBehind) {
  std::timed_mutex stuck;
  std::atomic<bool> started = false, returned = false;
  stuck.lock();
  {
    auto queue = Open(1);
    calls_.on_read = [&](uint64_t, int64_t result) {
      started = true;
      { const std::lock_guard wait(stuck); }
      returned = true;
      return result;
    };
    ASSERT_TRUE(queue->Submit(Block(0)));
    while (!started) std::this_thread::yield();
    const Result<uint64_t> tag = queue->Wait(milliseconds(20));
    ASSERT_FALSE(tag);
    EXPECT_EQ(tag.error().key, "IO_TIMEOUT");
    EXPECT_EQ(tag.error().code, ErrorCode::kCancelled);
    EXPECT_EQ(queue->in_flight(), 1u);
    EXPECT_FALSE(queue->Stop(milliseconds(20)));
    const auto start = std::chrono::steady_clock::now();
    queue.reset();
    file_.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(2));
  }
  stuck.unlock();
  while (!returned) std::this_thread::yield();
}

TEST(ReadQueue, FallsBackWithoutUring) {
  const ScratchDirectory scratch;
  const auto file = *File::Open(scratch.Write("model", PatternBytes(8192)));
  const File* const files[] = {file.get()};
  for (const int error : {-EPERM, -ENOSYS, -ENOMEM}) {
    FaultyCalls calls;
    calls.uring_error = error;
    for (const IoPath path : {IoPath::kAuto, IoPath::kUring}) {
      EXPECT_EQ((*OpenReadQueue(files, {.path = path}, calls))->path(), IoPath::kDirect);
    }
  }
}

// Reads all 8192 bytes in two requests.
void ExpectReads(ReadQueue& queue, const std::string& bytes) {
  Budget budget("test", Budget::kUnlimited);
  const MemoryRegion region = *MemoryRegion::Allocate(budget, 8192, "test");
  for (uint64_t offset : {4096u, 0u}) {
    ASSERT_TRUE(queue.Submit({.offset = offset, .data = region.data() + offset, .size = 4096}));
    const auto tag = queue.Wait(seconds(20));
    ASSERT_TRUE(tag) << Describe(tag.error());
  }
  EXPECT_EQ(std::memcmp(region.data(), bytes.data(), bytes.size()), 0);
}

TEST(ReadQueue, IsBufferedWhereDirectReadsAreRefused) {
  const ScratchDirectory scratch;
  const std::string bytes = PatternBytes(8192);
  const auto file = *File::Open(scratch.Write("model", bytes));
  const File* const files[] = {file.get()};

  FaultyCalls at_open;
  at_open.on_open = [](int flags) { return (flags & O_DIRECT) != 0 ? -EINVAL : 0; };
  FaultyCalls at_first_read;
  at_first_read.on_read = [](uint64_t n, int64_t result) { return n == 0 ? -EINVAL : result; };
  for (FaultyCalls* calls : {&at_open, &at_first_read}) {
    for (const IoPath path : {IoPath::kAuto, IoPath::kUring, IoPath::kDirect}) {
      calls->reads = 0;
      const auto queue = *OpenReadQueue(files, {.path = path}, *calls);
      EXPECT_EQ(queue->path(), IoPath::kBuffered);
      ExpectReads(*queue, bytes);
    }
  }
}

TEST(ReadQueue, GoesThroughTheCacheWhenADirectReadIsRefusedLater) {
  const ScratchDirectory scratch;
  const std::string bytes = PatternBytes(8192);
  const auto file = *File::Open(scratch.Write("model", bytes));
  const File* const files[] = {file.get()};
  for (const IoPath path : {IoPath::kUring, IoPath::kDirect}) {
    FaultyCalls calls;
    calls.on_read = [](uint64_t n, int64_t result) { return n == 1 ? -EINVAL : result; };
    ExpectReads(**OpenReadQueue(files, {.path = path}, calls), bytes);
  }
}

TEST(ReadQueue, MixesFilesThatTakeDirectReadsWithOthers) {
  const ScratchDirectory scratch;
  const std::string bytes = PatternBytes(8192);
  const auto on_disk = *File::Open(scratch.Write("model", bytes));
  const int memory = ::memfd_create("model", 0);
  ASSERT_EQ(::write(memory, bytes.data(), bytes.size()), 8192);
  const auto in_memory = *File::Open("/proc/self/fd/" + std::to_string(memory));
  const File* const files[] = {on_disk.get(), in_memory.get()};
  const auto queue = *OpenReadQueue(files, {});
  for (uint32_t file : {0u, 1u}) {
    alignas(4096) static std::byte data[8192];
    std::memset(data, 0, sizeof(data));
    ASSERT_TRUE(queue->Submit({.file = file, .data = data, .size = 8192, .tag = 7}));
    EXPECT_EQ(queue->Wait(seconds(20)), 7u);
    EXPECT_EQ(std::memcmp(data, bytes.data(), 8192), 0);
  }
  ::close(memory);
}

TEST(ReadQueue, ReportsThatNoDescriptorIsLeft) {
  const ScratchDirectory scratch;
  const auto file = *File::Open(scratch.Write("model", PatternBytes(8192)));
  const File* const files[] = {file.get()};
  FaultyCalls calls;
  calls.on_open = [](int) { return -EMFILE; };  // the reopening is optional
  EXPECT_EQ((*OpenReadQueue(files, {}, calls))->path(), IoPath::kBuffered);
}

}  // namespace
}  // namespace tinyai
