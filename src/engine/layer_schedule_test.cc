#include "engine/layer_schedule.h"

#include "gtest/gtest.h"

namespace tinyai {
namespace {

constexpr auto kNone = DependencyKind::kNone;
constexpr auto kSequential = DependencyKind::kSequential;
constexpr auto kResidual = DependencyKind::kResidual;
constexpr auto kAttention = DependencyKind::kAttention;

std::string_view KeyOf(const Status& status) { return status ? "" : status.error().key; }

TEST(LayerSchedule, ALayerAddedTwiceIsOneWithTwoDependencies) {
  LayerSchedule schedule(5);
  ASSERT_TRUE(schedule.Add(0, -1, kNone, 8));
  ASSERT_TRUE(schedule.Add(1, 0, kSequential, 8));
  ASSERT_TRUE(schedule.Add(2, 0, kResidual, 8));
  ASSERT_TRUE(schedule.Add(3, 1, kSequential, 8));
  ASSERT_TRUE(schedule.Add(3, 2, kSequential, 8));
  ASSERT_TRUE(schedule.Add(3, 2, kSequential, 8)) << "again: no effect";
  EXPECT_EQ(schedule.layers().size(), 4u);
  ASSERT_EQ(schedule.Find(3)->dependencies.size(), 2u);
  EXPECT_EQ(schedule.Find(3)->dependencies[1].layer, 2u);
  EXPECT_TRUE(schedule.Check());
  EXPECT_EQ(schedule.Find(4), nullptr);
}

TEST(LayerSchedule, SequentialWithoutANumberIsTheLayerBefore) {
  LayerSchedule schedule(3);
  ASSERT_TRUE(schedule.Add(2, -1, kSequential, 0)) << "the first one is an entry layer";
  ASSERT_TRUE(schedule.Add(0, -1, kSequential, 0));
  EXPECT_TRUE(schedule.Find(2)->dependencies.empty());
  EXPECT_EQ(schedule.Find(0)->dependencies[0].layer, 2u);
}

TEST(LayerSchedule, WhatMakesNoSenseIsRefusedAndChangesNothing) {
  LayerSchedule schedule(4);
  ASSERT_TRUE(schedule.Add(1, 0, kResidual, 8));
  EXPECT_EQ(KeyOf(schedule.Add(-1, -1, kNone, 0)), "ARG_INDEX");
  EXPECT_EQ(KeyOf(schedule.Add(4, -1, kNone, 0)), "ARG_INDEX");
  EXPECT_EQ(KeyOf(schedule.Add(2, 9, kSequential, 0)), "ARG_INDEX");
  EXPECT_EQ(KeyOf(schedule.Add(2, 2, kSequential, 0)), "SCHEDULE_DEPENDENCY");
  EXPECT_EQ(KeyOf(schedule.Add(2, -1, kResidual, 0)), "SCHEDULE_DEPENDENCY");
  EXPECT_EQ(KeyOf(schedule.Add(2, -1, kAttention, 0)), "SCHEDULE_DEPENDENCY");
  EXPECT_EQ(KeyOf(schedule.Add(2, 0, kNone, 0)), "SCHEDULE_DEPENDENCY");
  EXPECT_EQ(KeyOf(schedule.Add(2, 0, static_cast<DependencyKind>(99), 0)), "ARG_VALUE");
  EXPECT_EQ(KeyOf(schedule.Add(2, -1, kNone, ~uint64_t{0})), "SCHEDULE_SIZE");
  EXPECT_EQ(KeyOf(schedule.Add(1, 2, kResidual, 16)), "SCHEDULE_SIZE");
  EXPECT_EQ(KeyOf(schedule.Add(1, 0, kSequential, 8)), "SCHEDULE_DEPENDENCY");
  EXPECT_EQ(KeyOf(schedule.Add(1, -1, kNone, 8)), "SCHEDULE_DEPENDENCY");
  EXPECT_EQ(schedule.layers().size(), 1u);
  EXPECT_EQ(schedule.layers()[0].dependencies.size(), 1u);
}

TEST(LayerSchedule, TheCheckFindsWhatIsMissingAndNamesCycles) {
  LayerSchedule schedule(4);
  EXPECT_EQ(KeyOf(schedule.Check()), "SCHEDULE_EMPTY");
  ASSERT_TRUE(schedule.Add(0, 3, kSequential, 0)) << "forward references are accepted";
  EXPECT_EQ(KeyOf(schedule.Check()), "SCHEDULE_MISSING");
  ASSERT_TRUE(schedule.Add(3, 2, kSequential, 0));
  ASSERT_TRUE(schedule.Add(2, 3, kSequential, 0));
  const Status cycle = schedule.Check();
  EXPECT_EQ(KeyOf(cycle), "SCHEDULE_CYCLE");
  EXPECT_NE(cycle.error().message.find("3->2->3"), std::string::npos) << cycle.error().message;
}

}  // namespace
}  // namespace tinyai
