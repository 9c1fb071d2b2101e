#include "view/net_view.h"

#include <algorithm>

#include "view/view_test_support.h"

namespace tinyai {
namespace {

TEST(NetTimes, ValuesLiveFromTheirMakerToTheirLastUse) {
  const TestView test;
  const NetTimes times(test.view);
  EXPECT_TRUE(times.lives()[0].always);  // made once, it stays
  const SimulatedSpan* load = times.span(kTestDisk, 1);
  const SimulatedSpan* use = times.span(kTestCpu, 0);
  ASSERT_TRUE(load != nullptr && use != nullptr);
  EXPECT_EQ(times.span(kTestDisk, 0), nullptr);
  EXPECT_DOUBLE_EQ(times.lives()[1].span.begin, load->begin - times.origin());
  EXPECT_DOUBLE_EQ(times.lives()[1].span.end, use->end - times.origin());
}

TEST(MemoryOverTime, NeverPassesTheArenaAndCountsWhatStaysAlways) {
  const TestView test;
  const std::vector<MemoryPoint> points = MemoryOverTime(test.view, NetTimes(test.view));
  ASSERT_GT(points.size(), 2u);
  uint64_t most = 0;
  double before = -1;
  for (const MemoryPoint& point : points) {
    EXPECT_GT(point.seconds, before);
    EXPECT_LT(point.seconds, test.planned.simulation.makespan);
    before = point.seconds;
    EXPECT_EQ(point.bytes[0], 60u);
    EXPECT_LE(point.bytes[1], 200u);  // both slots
    most = std::max(most, point.bytes[1]);
    EXPECT_LE(point.bytes[0] + point.bytes[1] + point.bytes[2], test.planned.plan.heights[0]);
  }
  EXPECT_EQ(most, 200u);
}

TEST(SyncCauses, TellEachSyncWhatItIsFor) {
  const TestView test;
  const SyncCauses causes(test.view);
  uint64_t syncs = 0, data = 0, reuse = 0;
  for (size_t place = 0; place < test.planned.plan.queues.size(); ++place) {
    const auto& queue = test.planned.plan.queues[place];
    for (size_t at = 0; at < queue.size(); ++at) {
      for (size_t i = 0; i < queue[at].syncs.size(); ++i) {
        const std::string kind = causes.Kind(PlaceId(place), at, i);
        ++syncs;
        data += kind == "data" ? 1 : 0;
        reuse += kind == "reuse" ? 1 : 0;
      }
    }
  }
  EXPECT_EQ(syncs, test.planned.plan.syncs());
  EXPECT_EQ(data + reuse, syncs);
  EXPECT_GT(data, 0u);
  EXPECT_GT(reuse, 0u);
  const auto& loads = test.planned.plan.queues[Index(kTestDisk)];
  const auto waiting = std::find_if(
      loads.begin(), loads.end(), [](const NetCommand& command) { return !command.syncs.empty(); });
  ASSERT_NE(waiting, loads.end());
  EXPECT_EQ(causes.Text(kTestDisk, static_cast<size_t>(waiting - loads.begin()), 0).substr(0, 14),
            "reuse of slot ");
}

}  // namespace
}  // namespace tinyai
