#include "plan/resolve_schedule.h"

#include <cstdlib>
#include <map>
#include <set>

#include "base/units.h"
#include "fmt/format.h"
#include "golden/golden.h"
#include "plan/check_plan.h"
#include "plan/plan_test_support.h"
#include "rapidcheck.h"

namespace tinyai {
namespace {

// Read by rapidcheck at the first property.
[[maybe_unused]] const int kParameters = setenv("RC_PARAMS", "max_success=400 seed=11", 0);

Graph SmallGraph(bool tied = false) {
  return MakeGraph(
      {.width = 256, .layers = 3, .feed_forward = 1536, .vocabulary = 512, .tied = tied});
}

// A model with a plan by a schedule, or what the schedule is told.
struct Outcome {
  std::optional<ResolvedSchedule> wanted;
  Result<Planned> planned;
  std::string complaints;
};

Outcome PlanBy(const Graph& graph, const std::string& text, PlanRequest request) {
  const SourceText source("a.sched", text);
  Diagnostics diagnostics(source);
  Result<ResolvedSchedule> wanted = ResolveSchedule(graph, diagnostics);
  if (!wanted) return {{}, tl::unexpected<Error>(wanted.error()), diagnostics.Text()};
  const uint64_t memory = request.budget_bytes;
  request.budget_bytes = std::min(memory, wanted->wishes.budget_bytes.value_or(memory));
  request.wishes = &wanted->wishes;
  Result<Planned> planned = CompilePlan(graph, request);
  if (!planned) {
    planned = tl::unexpected<Error>(
        ExplainFailure(graph, request, *wanted, memory, planned.error(), diagnostics));
  }
  return {std::move(*wanted), std::move(planned), diagnostics.Text()};
}

PlanRequest SmallRequest(const Graph& graph, uint64_t more_bytes) {
  PlanRequest request{.workers = 2, .context = 64, .chunk = 4};
  request.budget_bytes = LeastBudget(graph, request) + more_bytes;
  return request;
}

// --- what a plan does, read off its steps ---

BufferKind KindAt(const Plan& plan, uint64_t offset) {
  for (const PlanBuffer& buffer : plan.buffers) {
    if (offset >= buffer.offset && offset - buffer.offset < buffer.bytes) return buffer.kind;
  }
  return BufferKind::kActivation;
}

struct Range {
  size_t first = ~size_t{0}, last = 0;
  void Add(size_t at) {
    first = std::min(first, at);
    last = std::max(last, at);
  }
};

// Steps of the CPU queue, by op.
std::map<OpId, Range> Runs(const Plan& plan) {
  std::map<OpId, Range> out;
  for (size_t i = 0; i < plan.queues[kCpuQueue].steps.size(); ++i) {
    out[std::get<step::Run>(plan.queues[kCpuQueue].steps[i].work).op].Add(i);
  }
  return out;
}

// Where the rows of a weight are when they are multiplied.
std::set<BufferKind> Homes(const Graph& graph, const Plan& plan, WeightId id) {
  std::set<BufferKind> out;
  for (const Step& step : plan.queues[kCpuQueue].steps) {
    const auto& run = std::get<step::Run>(step.work);
    const Op& op = graph.ops[Index(run.op)];
    const bool product = std::holds_alternative<op::MatMul>(op.kind) && op.weights[0] == id;
    if (product) out.insert(KindAt(plan, run.weights_offset));
  }
  return out;
}

// The DISK steps that read something of the weight.
Range Loads(const Graph& graph, const Plan& plan, WeightId id) {
  const Weight& weight = graph.weight(id);
  Range out;
  for (size_t i = 0; i < plan.queues[kDiskQueue].steps.size(); ++i) {
    const auto& load = std::get<step::Load>(plan.queues[kDiskQueue].steps[i].work);
    // Blocks at the ends may be a neighbour's; those of whole blocks are its own.
    const uint64_t begin = weight.offset + plan.io_alignment;
    const uint64_t end = weight.offset + weight.bytes - plan.io_alignment;
    if (load.file_offset < end && begin < load.file_offset + load.bytes) out.Add(i);
  }
  return out;
}

std::optional<std::string> Disobeyed(const Graph& graph, const ModelWishes& wishes,
                                     const Plan& plan) {
  std::map<OpId, Range> runs = Runs(plan);
  for (size_t i = 0; i < wishes.stay.size(); ++i) {
    for (const BufferKind home : Homes(graph, plan, WeightId(i))) {
      const bool ring = home == BufferKind::kRing;
      if (wishes.stay[i] == ModelWishes::Stay::kPinned && ring) return "pin";
      if (wishes.stay[i] == ModelWishes::Stay::kStreamed && !ring) return "evict";
    }
  }
  const std::vector<Step>& steps = plan.queues[kCpuQueue].steps;
  for (const ModelWishes::StayRows& rows : wishes.stay_rows) {
    for (const Step& step : steps) {
      const auto& run = std::get<step::Run>(step.work);
      const Op& op = graph.ops[Index(run.op)];
      const bool product = std::holds_alternative<op::MatMul>(op.kind);
      if (!product || op.weights[0] != rows.weight) continue;
      if (run.row_end <= rows.begin || rows.end <= run.row_begin) continue;
      const bool ring = KindAt(plan, run.weights_offset) == BufferKind::kRing;
      if (ring != (rows.stay == ModelWishes::Stay::kStreamed)) return "rows";
    }
  }
  for (const ModelWishes::Order& order : wishes.orders) {
    Range first, then;
    for (const OpId op : wishes.groups[order.first]) first.Add(runs[op].last);
    for (const OpId op : wishes.groups[order.then]) then.Add(runs[op].first);
    if (first.last >= then.first) return "order";
    bool joins = false;
    for (size_t at = first.last + 1; at <= then.first; ++at) joins = joins || steps[at].joins;
    if (order.complete && !joins) return "before";
  }
  for (size_t i = 1; i < wishes.loads.size(); ++i) {
    const WeightId one = wishes.loads[i - 1].weight, next = wishes.loads[i].weight;
    const bool streamed = Homes(graph, plan, one) == std::set{BufferKind::kRing} &&
                          Homes(graph, plan, next) == std::set{BufferKind::kRing};
    if (streamed && Loads(graph, plan, one).first > Loads(graph, plan, next).first) return "loads";
  }
  for (const ModelWishes::Ahead& ahead : wishes.ahead) {
    if (Homes(graph, plan, ahead.weight) != std::set{BufferKind::kRing}) continue;
    size_t point = ahead.group ? ~size_t{0} : 0;
    for (const OpId op : ahead.group ? wishes.groups[*ahead.group] : std::vector<OpId>()) {
      point = std::min(point, runs[op].first);
    }
    const Range own = Loads(graph, plan, ahead.weight);
    for (size_t i = 0; i < graph.weights.size(); ++i) {
      if (Homes(graph, plan, WeightId(i)) != std::set{BufferKind::kRing}) continue;
      const bool wished =
          std::any_of(wishes.ahead.begin(), wishes.ahead.end(),
                      [&](const ModelWishes::Ahead& other) { return other.weight == WeightId(i); });
      if (wished || !wishes.loads.empty()) continue;
      size_t needed = ~size_t{0};
      for (const Op& op : graph.ops) {
        if (op.weights.empty() || op.weights[0] != WeightId(i)) continue;
        needed = std::min(needed, runs[OpId(&op - graph.ops.data())].first);
      }
      if (needed >= point && Loads(graph, plan, WeightId(i)).first < own.last) return "prefetch";
    }
  }
  return std::nullopt;
}

// --- wishes that can be obeyed ---

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

// --- those that cannot ---

TEST(ResolveSchedule, SaysWhatCannotBeObeyedAndWhere) {
  const std::vector<std::string> texts = {
      "CPU { blk.0.attn_q; }\nGPU { blk.0.attn_q; }",
      "place blk.0.attn_q: CPU;\nplace blk.0.attn_q: DISK;",
      "CPU { blk.0.attn_q; blk.0.attn_k; blk.0.attn_q; }",
      "DISK { blk.0.attn_q; prefetch blk.0; }",
      "CPU { pin blk.0; evict blk.0.ffn_up; }",
      "CPU { --- f; } DISK { --- f; }",
      "CPU { blk.0.attn_q; --- write; }\nDISK { sync(blk.0.attn_q); }",
      "CPU { --- write; }\nDISK { sync(output); }",
      "CPU { ffn_up; blk.0.attn_q'; }",
      "GPU { token_embd; }\nDISK { token_embd; }",
      "GPU { print(output); }\nDISK { print(output); }",
      "DISK { sync(read); }\nCPU { blk.0; --- read; }",
      "CPU { blk.1.ffn_norm; }\nCPU { blk.0.attn_q; }",
      "before blk.1, blk.0;",
      "CPU { --- one; blk.0.attn_q; --- two; }\nDISK { sync(two); sync(one); sync(two); }",
      "CPU { blk.9.ffn_up; blk.0..7; blk.0.ffn_ip; nothing; sync(on); --- no; }",
      "TPU { blk.0; }\nDISC { blk.0; }\nbudget GPU.mem <= 1G;\nbuffer \"x\": at 0;",
      "closed CPU { blk.0.attn_q; blk.0.attn_k; ???; }",
      "closed CPU { ???; blk.0.attn_q; blk.0.attn; }",
      "closed CPU { ???; output; blk.0.attn_q; ???; }",
      "closed DISK { blk.0.attn_q; }",
      "GPU { blk.0.attn_q; }\nplace blk.1.attn: GPU[1];\nplace blk.0.ffn_down.weight: CPU;",
      "CPU { evict blk.0.attn_norm; evict cache; pin blk.0.rope_q; print(blk.0.attn_q); load "
      "blk.0; }",
      "CPU { move blk.0 -> GPU; free blk.0; recompute blk.0.attn_q; sync(a@-1); --- a; }",
      "CPU { if (x) { blk.0; } loop i { blk.0; } pin blk.0: hard; pin blk.0.attn_q[0..4]; }",
      "objective lex(syncs);\nbefore cache, blk.0;\nDISK.rows { blk.0; prefetch blk.0; --- f; }",
      "CPU { pin blk; }",
      "CPU { pin blk.0; pin blk.1.ffn_up; pin blk.2; }",
      "budget RAM <= 100K;",
      "DISK { evict blk; prefetch blk.0..2; }",
      "CPU { pin",
      "closed DISK { ???; blk.0.attn_q; }\nclosed GPU { blk.0.attn_q; }",
      "CPU { pin blk.0.attn_q[0..4]; evict blk.0.attn_q[3..5]; evict blk.0.attn_k[0..257]; "
      "pin blk.0.attn_norm[0..1]; evict blk.0.attn_v[4..4]; pin token_embd[0..4]; "
      "blk.0.attn_q[0..4]; }",
      "CPU { --- f; blk.0; }\nDISK { sync(f@-2); sync(g@-1); blk.1; sync(f@-1); sync(f@-1); }",
  };
  const Graph graph = SmallGraph();
  const PlanRequest request = SmallRequest(graph, 512 * kKiB);
  std::string all;
  for (const std::string& text : texts) {
    const Outcome out = PlanBy(graph, text, request);
    EXPECT_FALSE(out.planned) << text;
    if (out.planned) continue;
    EXPECT_EQ(out.planned.error().code, ErrorCode::kSchedule) << text;
    EXPECT_EQ(out.planned.error().file, "a.sched") << text;
    all += fmt::format("{}\n=> {}\n{}\n", text, out.planned.error().key, out.complaints);
  }
  ExpectGolden("src/plan/goldens/schedule_errors.txt", all);
}

TEST(ResolveSchedule, IsLinearInLongTexts) {
  const Graph graph = SmallGraph();
  std::string pins = "CPU {";
  for (int i = 0; i < 100'000; ++i) pins += " pin blk.0..2.ffn_up; prefetch blk.1;";
  EXPECT_TRUE(PlanBy(graph, pins + "}", SmallRequest(graph, 100 * kMiB)).planned);
  std::string blocks, orders;
  for (int i = 0; i < 20'000; ++i) orders += "before blk.0, blk.1;";
  EXPECT_TRUE(PlanBy(graph, orders, SmallRequest(graph, kMiB)).planned);
  orders += "before blk.2, blk.1;";
  EXPECT_FALSE(PlanBy(graph, orders, SmallRequest(graph, kMiB)).planned);
  for (int i = 0; i < 20'000; ++i) blocks += fmt::format("CPU {{ --- f{}; sync(f{}); }}\n", i, i);
  EXPECT_TRUE(PlanBy(graph, blocks, SmallRequest(graph, kMiB)).planned);
}

// --- any wishes ---

std::string RandomName(const Graph& graph) {
  const uint32_t layer = *rc::gen::inRange(0u, 3u);
  switch (*rc::gen::inRange(0, 6)) {
    case 0:
      return fmt::format("blk.{}", layer);
    case 1:
      return fmt::format("blk.0..{}.ffn_up", layer);
    case 2:
      return "output";
    default:
      return graph.ops[*rc::gen::inRange<size_t>(0, graph.ops.size())].name;
  }
}

// A few ops, mostly in the order in which the model has them.
std::string RandomOps(const Graph& graph, const std::string& between) {
  std::set<size_t> picked;
  const int count = *rc::gen::inRange(1, 6);
  for (int i = 0; i < count; ++i) picked.insert(*rc::gen::inRange<size_t>(0, graph.ops.size()));
  std::vector<size_t> ops(picked.begin(), picked.end());
  if (ops.size() > 1 && *rc::gen::inRange(0, 3) == 0) {
    std::swap(ops[0], ops[*rc::gen::inRange<size_t>(1, ops.size())]);
  }
  std::string out;
  for (const size_t op : ops) out += " " + graph.ops[op].name + ";" + between;
  return out;
}

std::string RandomSchedule(const Graph& graph) {
  std::string out;
  const int items = *rc::gen::inRange(1, 4);
  for (int i = 0; i < items; ++i) {
    switch (*rc::gen::inRange(0, 10)) {
      case 0:
        out += fmt::format("CPU {{ pin {}; }}\n", RandomName(graph));
        break;
      case 1:
        out += fmt::format("DISK {{ evict {}; }}\n", RandomName(graph));
        break;
      case 2:
        out += fmt::format("CPU {{{} }}\n", RandomOps(graph, ""));
        break;
      case 3:
        out += fmt::format("closed CPU {{ ???;{} ???; }}\n", RandomOps(graph, ""));
        break;
      case 4:
        out += fmt::format("CPU {{ prefetch {};{} }}\n", RandomName(graph), RandomOps(graph, ""));
        break;
      case 5:
        out += fmt::format("DISK {{ {}; prefetch {}; }}\n", RandomName(graph), RandomName(graph));
        break;
      case 6:
        out += fmt::format("closed DISK {{ ???; {}; {}; ???; }}\n", RandomName(graph),
                           RandomName(graph));
        break;
      case 7: {
        const uint64_t begin = *rc::gen::inRange<uint64_t>(0, 200);
        out += fmt::format("CPU {{ {} blk.{}.{}[{}..{}]; }}\n",
                           *rc::gen::arbitrary<bool>() ? "pin" : "evict", *rc::gen::inRange(0, 3),
                           *rc::gen::arbitrary<bool>() ? "ffn_down" : "attn_q", begin,
                           begin + *rc::gen::inRange<uint64_t>(1, 56));
        break;
      }
      case 8:
        out += fmt::format("DISK {{ sync(f{}@-1); {}; }} CPU {{ {}; --- f{}; }}\n", i,
                           RandomName(graph), RandomName(graph), i);
        break;
      default:
        out += fmt::format("before {}, {};\n", RandomName(graph), RandomName(graph));
    }
  }
  return out;
}

TEST(ResolveSchedule, AnyWishesAreObeyedOrRefusedWithTheirPlace) {
  size_t obeyed = 0, refused = 0;
  const Graph plain = SmallGraph(), tied = SmallGraph(true);
  const uint64_t least = LeastBudget(plain, {.workers = 2, .context = 64});
  const bool held = rc::check([&] {
    const Graph& graph = *rc::gen::arbitrary<bool>() ? plain : tied;
    const std::string text = RandomSchedule(graph);
    PlanRequest request{.workers = *rc::gen::inRange(1u, 4u), .context = 64};
    request.budget_bytes = least + *rc::gen::inRange<uint64_t>(0, 6 * kMiB);
    const Outcome out = PlanBy(graph, text, request);
    if (!out.planned) {
      ++refused;
      const Error& error = out.planned.error();
      if (!error.key.starts_with("SCHEDULE_") && error.key != "BUDGET_INFEASIBLE") {
        RC_FAIL(text + Describe(error));
      }
      return;
    }
    ++obeyed;
    if (const Status status = CheckPlan(graph, out.planned->plan); !status) {
      RC_FAIL(text + Describe(status.error()));
    }
    RC_ASSERT(out.planned->report.predicted_peak_bytes <= request.budget_bytes);
    const auto fault = Disobeyed(graph, out.wanted->wishes, out.planned->plan);
    if (fault) RC_FAIL(*fault + ":\n" + text);
  });
  EXPECT_TRUE(held);
  EXPECT_GT(obeyed, 100u);
  EXPECT_GT(refused, 20u);
}

}  // namespace
}  // namespace tinyai
