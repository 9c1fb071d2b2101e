#include "engine/checked_read_queue.h"

#include "format/tmai_test_support.h"
#include "gtest/gtest.h"
#include "os/fake_read_queue.h"

namespace tinyai {
namespace {

// What a disk gives: the bytes of a file, other bytes for some of its reads.
class CheckedQueueTest : public ::testing::Test {
 protected:
  CheckedQueueTest() {
    TmaiContents contents;
    contents.tensors = {NewTensor("a", DType::kF32, {1024, 64})};
    bytes_ = BuildTmai(contents);
    file_ = *ReadTmaiBytes(bytes_);
    good_ = std::make_unique<MemorySource>("m.tmai", bytes_);
  }
  std::string Text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

  std::vector<std::byte> bytes_;
  ModelFile file_;
  std::unique_ptr<MemorySource> good_;
};

// Gives damaged bytes for the first `bad_reads` reads that finish.
class DamagingQueue : public FakeReadQueue {
 public:
  DamagingQueue(std::string file, int bad_reads)
      : FakeReadQueue({std::move(file)}, {.depth = 4}), bad_reads_(bad_reads) {}
  Status Submit(const ReadRequest& request) override {
    data_[request.tag] = request.data;
    return FakeReadQueue::Submit(request);
  }
  Result<uint64_t> Wait(std::chrono::nanoseconds timeout) override {
    Result<uint64_t> tag = FakeReadQueue::Wait(timeout);
    if (tag && bad_reads_-- > 0) data_[*tag][100] ^= std::byte{1};
    return tag;
  }

 private:
  int bad_reads_;
  std::map<uint64_t, std::byte*> data_;
};

TEST_F(CheckedQueueTest, ReadsThatAreRightPassAndAreCheckedOnce) {
  BlockChecker checker(file_, *good_);
  CheckedReadQueue queue(std::make_unique<DamagingQueue>(Text(), 0), {&checker});
  std::vector<std::byte> data(4 * 8192);
  for (int round = 0; round < 2; ++round) {
    for (uint64_t i = 0; i < 4; ++i) {
      ASSERT_TRUE(queue.Submit(
          {.offset = 4096 + i * 8192, .data = data.data() + i * 8192, .size = 8192, .tag = i}));
    }
    EXPECT_EQ(queue.in_flight(), 4u);
    std::set<uint64_t> tags;
    while (queue.in_flight() > 0) tags.insert(*queue.Wait(std::chrono::seconds(1)));
    EXPECT_EQ(tags.size(), 4u);
    EXPECT_EQ(data[777], PatternByte(0, 777));
  }
}

TEST_F(CheckedQueueTest, ADamagedReadIsDoneAgain) {
  BlockChecker checker(file_, *good_);
  CheckedReadQueue queue(std::make_unique<DamagingQueue>(Text(), 1), {&checker});
  std::vector<std::byte> data(8192);
  ASSERT_TRUE(queue.Submit({.offset = 8192, .data = data.data(), .size = 8192, .tag = 7}));
  EXPECT_EQ(queue.Wait(std::chrono::seconds(1)).value(), 7u);
  EXPECT_EQ(data[100], PatternByte(0, 4096 + 100));
}

TEST_F(CheckedQueueTest, WhatIsDamagedTwiceIsAnError) {
  BlockChecker checker(file_, *good_);
  CheckedReadQueue queue(std::make_unique<DamagingQueue>(Text(), 2), {&checker});
  std::vector<std::byte> data(8192);
  ASSERT_TRUE(queue.Submit({.offset = 8192, .data = data.data(), .size = 8192, .tag = 7}));
  const Result<uint64_t> done = queue.Wait(std::chrono::seconds(1));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().key, "TMAI_CHECKSUM");
  EXPECT_EQ(queue.in_flight(), 0u);
}

}  // namespace
}  // namespace tinyai
