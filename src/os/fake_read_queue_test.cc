#include "os/fake_read_queue.h"

#include <cstring>
#include <set>

#include "gtest/gtest.h"
#include "os/testing.h"

namespace tinyai {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(FakeReadQueue, FinishesReadsInAnOrderThatTheSeedDecides) {
  const std::string bytes = PatternBytes(16 * 4096);
  std::set<std::vector<uint64_t>> orders;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    std::string data(bytes.size(), '\0');
    std::vector<uint64_t> order[2];
    for (auto& tags : order) {
      FakeReadQueue queue({bytes}, {.depth = 16, .seed = seed});
      for (uint64_t i = 0; i < 16; ++i) {
        std::byte* const to = reinterpret_cast<std::byte*>(data.data()) + i * 4096;
        ASSERT_TRUE(queue.Submit({.offset = i * 4096, .data = to, .size = 4096, .tag = i}));
      }
      while (queue.in_flight() > 0) tags.push_back(*queue.Wait(seconds(1)));
      EXPECT_EQ(data, bytes);
    }
    EXPECT_EQ(order[0], order[1]);
    orders.insert(order[0]);
  }
  EXPECT_GT(orders.size(), 5u);
}

TEST(FakeReadQueue, FailsTheRequestItIsToldToAndHoldsUpAnother) {
  std::byte data[4096];
  FakeReadQueueOptions options;
  options.failures[1] = {.code = ErrorCode::kIo, .key = "IO_READ", .message = "told to"};
  options.stuck = {2};
  FakeReadQueue queue({std::string(4096, 'x')}, options);
  const std::string_view keys[] = {"", "IO_READ", "IO_TIMEOUT"};
  for (uint64_t tag = 0; tag < 3; ++tag) {
    ASSERT_TRUE(queue.Submit({.data = data, .size = 4096, .tag = tag}));
    const Result<uint64_t> result = queue.Wait(milliseconds(1));
    EXPECT_EQ(result ? "" : result.error().key, keys[tag]);
  }
  EXPECT_EQ(queue.in_flight(), 1u);
  queue.Cancel();
  EXPECT_EQ(queue.Wait(seconds(20)).error().key, "CANCELLED");
  EXPECT_FALSE(queue.Stop(seconds(1)));
}

}  // namespace
}  // namespace tinyai
