#include "plan/resolve_schedule.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/units.h"
#include "plan/schedule_test_support.h"

// Wishes that can be obeyed.
namespace tinyai {
namespace {

TEST(ResolveSchedule, PinnedWeightsStayAndEvictedOnesAreStreamed) {
  const Graph graph = SmallGraph();
  const PlanRequest request = SmallRequest(graph, 2 * kMiB);
  const Outcome out =
      PlanBy(graph, "CPU { pin blk.1; }\nDISK { evict blk.0.ffn_up; evict blk.2.attn_q.weight; }",
             request);
  ASSERT_TRUE(out.planned) << out.complaints;
  EXPECT_EQ(Disobeyed(graph, out.wanted->wishes, out.planned->plan), std::nullopt);
  uint64_t pinned = 0;
  for (const Weight& weight : graph.weights) {
    pinned += weight.name.starts_with("blk.1.") ? weight.bytes : 0;
  }
  EXPECT_GE(out.planned->plan.resident_bytes, pinned);
  const Outcome all = PlanBy(graph, "CPU { evict blk; evict output; }", request);
  ASSERT_TRUE(all.planned) << all.complaints;
  uint64_t matrices = 0;
  for (const Weight& weight : graph.weights) {
    matrices += weight.rows > 1 && weight.name != "token_embd.weight" ? weight.bytes : 0;
  }
  EXPECT_EQ(all.planned->plan.streamed_bytes, matrices);
}

TEST(ResolveSchedule, RowsOfAWeightStayOrAreStreamed) {
  for (const bool tied : {false, true}) {
    const Graph graph = SmallGraph(tied);
    const Outcome out =
        PlanBy(graph,
               "CPU { pin blk.0..2.ffn_down[0..100]; evict blk.1.ffn_down[100..256]; "
               "evict output[7..300]; evict blk.0.attn_q[3..4]; }",
               SmallRequest(graph, 2 * kMiB));
    ASSERT_TRUE(out.planned) << out.complaints;
    EXPECT_EQ(out.wanted->wishes.stay_rows.size(), 6u);
    EXPECT_EQ(Disobeyed(graph, out.wanted->wishes, out.planned->plan), std::nullopt);
    const Outcome all =
        PlanBy(graph, "CPU { evict output[0..1]; }", SmallRequest(graph, 99 * kMiB));
    ASSERT_TRUE(all.planned) << all.complaints;
    EXPECT_EQ(all.planned->plan.streamed_bytes,
              graph.weight(graph.ops.back().weights[0]).row_bytes());
  }
}

TEST(ResolveSchedule, AClosedDiskBlockReadsNothingInBetween) {
  const Graph graph = SmallGraph();
  const Outcome out = PlanBy(graph,
                             "CPU { evict blk; evict output; }\n"
                             "closed DISK { ???; blk.0.ffn_up; blk.2.attn_q; blk.1.attn_v; ???; }",
                             SmallRequest(graph, kMiB));
  ASSERT_TRUE(out.planned) << out.complaints;
  std::vector<Range> loads;
  for (const ModelWishes::Loaded& one : out.wanted->wishes.loads) {
    loads.push_back(Loads(graph, out.planned->plan, one.weight));
  }
  ASSERT_EQ(loads.size(), 3u);
  // Only vectors, which stay, are read in between, and in the first pass alone.
  const std::vector<Step>& steps = out.planned->plan.queues[kDiskQueue].steps;
  for (size_t i = 1; i < loads.size(); ++i) {
    EXPECT_LT(loads[i - 1].last, loads[i].first);
    for (size_t at = loads[i - 1].last + 1; at < loads[i].first; ++at) {
      EXPECT_TRUE(std::get<step::Load>(steps[at].work).once);
    }
  }
  const Outcome first = PlanBy(graph, "CPU { evict blk; } closed DISK { blk.2.attn_q; ???; }",
                               SmallRequest(graph, kMiB));
  ASSERT_TRUE(first.planned) << first.complaints;
  const Range own = Loads(graph, first.planned->plan, first.wanted->wishes.loads[0].weight);
  for (size_t at = 0; at < own.first; ++at) {
    const Step& step = first.planned->plan.queues[kDiskQueue].steps[at];
    EXPECT_TRUE(std::get<step::Load>(step.work).once);
  }
}

TEST(ResolveSchedule, ReadingWaitsForThePassBefore) {
  const Graph graph = SmallGraph();
  const std::string evict = "CPU { evict blk; }\n";
  const PlanRequest request = SmallRequest(graph, kMiB);
  const Outcome plain = PlanBy(graph, evict + "DISK { blk.0.attn_q; }", request);
  const Outcome out =
      PlanBy(graph, evict + "DISK { sync(end@-1); blk.0.attn_q; }\nCPU { blk.2.ffn_add; --- end; }",
             request);
  ASSERT_TRUE(plain.planned && out.planned) << out.complaints;
  ASSERT_EQ(out.wanted->wishes.loads_after.size(), 1u);
  EXPECT_EQ(out.wanted->wishes.loads_after[0].distance, 1u);
  // How far DISK knows CPU to be in the pass before when it reads the weight.
  const auto known = [&](const Outcome& outcome) {
    const Plan& plan = outcome.planned->plan;
    const size_t load = Loads(graph, plan, outcome.wanted->wishes.loads[0].weight).first;
    size_t most = 0;
    for (size_t at = 0; at <= load; ++at) {
      for (const Sync& sync : plan.queues[kDiskQueue].steps[at].syncs) {
        const Fence& fence = plan.fences[Index(sync.fence)];
        if (fence.queue == kCpuQueue && sync.distance == 1)
          most = std::max<size_t>(most, fence.step);
      }
    }
    return most;
  };
  std::map<std::string, Range> runs;
  for (const auto& [op, range] : Runs(out.planned->plan)) runs[graph.ops[Index(op)].name] = range;
  EXPECT_GE(known(out), runs["blk.2.ffn_add"].last);
  EXPECT_LT(known(plain), known(out));
  const Outcome back = PlanBy(
      graph, evict + "CPU { sync(there@-1); blk.0.attn_norm; }\nDISK { blk.1.ffn_up; --- there; }",
      request);
  EXPECT_TRUE(back.planned) << back.complaints;
}

TEST(ResolveSchedule, APinnedEmbeddingIsReadWhole) {
  for (const bool tied : {false, true}) {
    const Graph graph = SmallGraph(tied);
    const Outcome out =
        PlanBy(graph, "CPU { pin token_embd; evict blk.0; }", SmallRequest(graph, 2 * kMiB));
    ASSERT_TRUE(out.planned) << out.complaints;
    EXPECT_TRUE(out.planned->plan.queues[kRowsQueue].steps.empty()) << tied;
    const Outcome evicted =
        PlanBy(graph, "CPU { evict token_embd; }", SmallRequest(graph, 100 * kMiB));
    ASSERT_TRUE(evicted.planned) << evicted.complaints;
    EXPECT_EQ(evicted.planned->plan.queues[kRowsQueue].steps.size(), 1u) << tied;
  }
}

TEST(ResolveSchedule, OpsRunInTheOrderOfTheBlocks) {
  const Graph graph = SmallGraph();
  const PlanRequest request = SmallRequest(graph, kMiB);
  const Outcome out = PlanBy(
      graph, "CPU { blk.0.attn_v; blk.0.attn_k; } CPU { blk.0.attn_q; blk.1; print(output); }",
      request);
  ASSERT_TRUE(out.planned) << out.complaints;
  EXPECT_EQ(Disobeyed(graph, out.wanted->wishes, out.planned->plan), std::nullopt);
  EXPECT_EQ(out.wanted->wishes.orders.size(), 4u);
}

TEST(ResolveSchedule, BeforeMeansThatAllWorkersHaveEnded) {
  const Graph graph = SmallGraph();
  const Outcome out =
      PlanBy(graph, "before blk.0.attn_v, blk.0.attn_q;", SmallRequest(graph, kMiB));
  const Outcome listed =
      PlanBy(graph, "CPU { blk.0.attn_v; blk.0.attn_q; }", SmallRequest(graph, kMiB));
  ASSERT_TRUE(out.planned && listed.planned) << out.complaints;
  EXPECT_EQ(Disobeyed(graph, out.wanted->wishes, out.planned->plan), std::nullopt);
  const auto joins = [&](const Plan& plan) {
    const std::vector<Step>& steps = plan.queues[kCpuQueue].steps;
    return std::count_if(steps.begin(), steps.end(), [](const Step& step) { return step.joins; });
  };
  EXPECT_EQ(joins(out.planned->plan), joins(listed.planned->plan) + 1);
}

TEST(ResolveSchedule, AClosedBlockIsAddedToAtItsHolesOnly) {
  const Graph graph = SmallGraph();
  const Outcome out =
      PlanBy(graph, "closed CPU { ???; blk.1.attn_v; blk.1.attn_q; blk.1.rope_q; ???; }",
             SmallRequest(graph, kMiB));
  ASSERT_TRUE(out.planned) << out.complaints;
  std::map<std::string, Range> runs;
  for (const auto& [op, range] : Runs(out.planned->plan)) runs[graph.ops[Index(op)].name] = range;
  EXPECT_EQ(runs["blk.1.attn_v"].last + 1, runs["blk.1.attn_q"].first);
  EXPECT_EQ(runs["blk.1.attn_q"].last + 1, runs["blk.1.rope_q"].first);
}

TEST(ResolveSchedule, WhatIsReadAheadHasASlotOfItsOwn) {
  const Graph graph = SmallGraph();
  const PlanRequest request = SmallRequest(graph, kMiB);
  const auto slots = [](const Plan& plan) {
    return std::count_if(plan.buffers.begin(), plan.buffers.end(),
                         [](const PlanBuffer& buffer) { return buffer.kind == BufferKind::kRing; });
  };
  const Outcome plain = PlanBy(graph, "CPU { evict blk; }", request);
  const Outcome out =
      PlanBy(graph, "CPU { evict blk; blk.0.attn_norm; prefetch blk.2.ffn_down; blk.1.attn_norm; }",
             request);
  ASSERT_TRUE(plain.planned && out.planned) << out.complaints;
  EXPECT_GT(slots(out.planned->plan), slots(plain.planned->plan));
  EXPECT_EQ(Disobeyed(graph, out.wanted->wishes, out.planned->plan), std::nullopt);
}

TEST(ResolveSchedule, WhatOnlyTheLogitsNeedIsReadAheadByPassesWithLogits) {
  const Graph graph = SmallGraph();
  const PlanRequest request = SmallRequest(graph, kMiB);
  const auto weight = [&](std::string_view name) {
    const auto it = std::find_if(graph.weights.begin(), graph.weights.end(),
                                 [&](const Weight& one) { return one.name == name; });
    return WeightId(it - graph.weights.begin());
  };
  for (const std::string text :
       {"CPU { evict blk; evict output; blk.1.attn_norm; prefetch output; blk.2.attn_norm; }",
        "DISK { evict blk; evict output; blk.1.ffn_up; prefetch output; }"}) {
    const Outcome out = PlanBy(graph, text, request);
    ASSERT_TRUE(out.planned) << out.complaints << Describe(out.planned.error());
    const Plan& plan = out.planned->plan;
    const Range own = Loads(graph, plan, weight("output.weight"));
    EXPECT_LT(own.last, Loads(graph, plan, weight("blk.2.ffn_down.weight")).first);
    for (size_t i = own.first; i <= own.last; ++i) {
      EXPECT_TRUE(plan.queues[kDiskQueue].steps[i].logits_only) << i;
    }
    EXPECT_EQ(Disobeyed(graph, out.wanted->wishes, plan), std::nullopt);
  }
}

TEST(ResolveSchedule, ReadingWaitsForFences) {
  const Graph graph = SmallGraph();
  const Outcome out = PlanBy(graph,
                             "CPU { evict blk; blk.0.attn_add; --- half; }\n"
                             "DISK { sync(half); blk.1.ffn_up; --- there; }\n"
                             "CPU { sync(there); blk.1.attn_norm; }",
                             SmallRequest(graph, kMiB));
  ASSERT_TRUE(out.planned) << out.complaints;
  const Plan& plan = out.planned->plan;
  EXPECT_EQ(out.wanted->wishes.loads_after.size(), 1u);
  EXPECT_EQ(out.wanted->wishes.loads_before.size(), 1u);
  const WeightId up = out.wanted->wishes.loads[0].weight;
  const Range loads = Loads(graph, plan, up);
  std::map<std::string, Range> runs;
  for (const auto& [op, range] : Runs(plan)) runs[graph.ops[Index(op)].name] = range;
  const auto waits = [&](size_t queue, size_t up_to, uint32_t other, size_t from) {
    for (size_t at = 0; at <= up_to; ++at) {
      for (const Sync& sync : plan.queues[queue].steps[at].syncs) {
        const Fence& fence = plan.fences[Index(sync.fence)];
        if (fence.queue == other && fence.step >= from && sync.distance == 0) return true;
      }
    }
    return false;
  };
  EXPECT_TRUE(waits(kDiskQueue, loads.first, kCpuQueue, runs["blk.0.attn_add"].last));
  EXPECT_TRUE(waits(kCpuQueue, runs["blk.1.attn_norm"].first, kDiskQueue, loads.last));
}

TEST(ResolveSchedule, WhatReadsAFreedValueIsDoneBeforeTheNextOpListed) {
  const Graph graph = SmallGraph();
  const Outcome out = PlanBy(graph, "CPU { blk.0.attn_q; free blk.0.attn_norm; blk.0.rope_q; }",
                             SmallRequest(graph, kMiB));
  ASSERT_TRUE(out.planned) << out.complaints;
  EXPECT_EQ(Disobeyed(graph, out.wanted->wishes, out.planned->plan), std::nullopt);
  EXPECT_EQ(out.wanted->wishes.orders.size(), 2u);
}

TEST(ResolveSchedule, TheSmallerBudgetHolds) {
  const Graph graph = SmallGraph();
  PlanRequest request = SmallRequest(graph, 100 * kMiB);
  const uint64_t less = LeastBudget(graph, request) + 300 * kKiB;
  const Outcome out = PlanBy(graph, fmt::format("budget RAM <= {};", less), request);
  ASSERT_TRUE(out.planned) << out.complaints;
  EXPECT_LE(out.planned->report.predicted_peak_bytes, less);
  EXPECT_GT(out.planned->plan.streamed_bytes, 0u);
}

TEST(ResolveSchedule, NoWishesChangeNothing) {
  const Graph graph = SmallGraph();
  const PlanRequest request = SmallRequest(graph, kMiB);
  const Outcome out = PlanBy(graph, "CPU { pin cache; }\ncount worst;\nplace blk: CPU;", request);
  const Result<Planned> plain = CompilePlan(graph, request);
  ASSERT_TRUE(out.planned && plain) << out.complaints;
  EXPECT_EQ(out.planned->plan, plain->plan);
}

}  // namespace
}  // namespace tinyai
