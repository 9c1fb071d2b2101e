// Plans of layer graphs that spill: what the checker lets pass, what it finds, and their text.

#include <functional>
#include <limits>

#include "gmock/gmock.h"
#include "graph/layer_builder.h"
#include "graph/spill.h"
#include "gtest/gtest.h"
#include "plan/check_plan.h"
#include "plan/choose_evictions.h"
#include "plan/plan_file.h"
#include "plan/request.h"

namespace tinyai {
namespace {

constexpr uint64_t kMapBytes = uint64_t{8} * 16 * 16 * sizeof(float);

// Two skips of a U, the outer one around the inner one.
Graph SkipsGraph() {
  LayerBuilder builder("skips");
  uint64_t at = 0;
  const auto conv = [&](const std::string& name, ValueId in, uint64_t channels) {
    const uint64_t cols = builder.graph().value(in).shape[0];
    const WeightId weight = *builder.Weight(name + ".weight", DType::kF32, channels, cols);
    return *builder.Layer(name, LayerRole::kConv, op::Conv{}, {in}, {weight});
  };
  const auto sum = [&](const std::string& name, ValueId a, ValueId b) {
    return *builder.Layer(name, LayerRole::kOther, op::Add{}, {a, b}, {});
  };
  const ValueId image = *builder.Input("image", {2, 16, 16});
  const ValueId outer = conv("outer", image, 8);
  const ValueId inner = conv("inner", conv("a", outer, 8), 8);
  ValueId x = conv("narrow", conv("wide", conv("b", inner, 8), 32), 8);
  x = sum("up", x, inner);
  sum("top", conv("c", conv("d", x, 8), 8), outer);
  Graph graph = *builder.Finish();
  for (Weight& weight : graph.weights) {
    weight.offset = at;
    at += weight.bytes;
  }
  return graph;
}

struct Sound {
  Graph graph;
  Plan plan;
};

Sound SpilledPlan(uint64_t chunk = 2) {
  EvictionOptions options{.spill = true, .samples = chunk};
  BandedGraph spilled = ChooseEvictions(WithoutBands(SkipsGraph()), options).back();
  Sound sound{FetchInTime(std::move(spilled), chunk).graph, {}};
  PlanRequest request{.workers = 2, .context = chunk, .chunk = chunk};
  request.whole_layers = request.arena_only = true;
  const Result<Planned> planned = CompileLeast(sound.graph, request);
  EXPECT_TRUE(planned) << Describe(planned.error());
  sound.plan = planned->plan;
  return sound;
}

TEST(SpillPlan, TakesLessMemoryAndSaysHowMuchDisk) {
  PlanRequest request{.workers = 2, .context = 2, .chunk = 2};
  request.whole_layers = request.arena_only = true;
  const Graph graph = SkipsGraph();
  const Result<Planned> kept = CompileLeast(graph, request);
  ASSERT_TRUE(kept) << Describe(kept.error());
  EXPECT_EQ(kept->plan.queues.size(), 3u);
  const Sound spilled = SpilledPlan();
  ASSERT_EQ(spilled.plan.queues.size(), 4u);
  EXPECT_LE(spilled.plan.memory.arena_bytes + 2 * kMapBytes, kept->plan.memory.arena_bytes);
  EXPECT_EQ(spilled.plan.scratch_bytes, 4 * kMapBytes);
  const SpillTraffic traffic = TrafficOf(spilled.graph, spilled.plan);
  EXPECT_EQ(traffic.written, 4 * kMapBytes);
  EXPECT_EQ(traffic.read, 4 * kMapBytes);
}

TEST(SpillPlan, FetchesComeBeforeTheyAreNeeded) {
  EvictionOptions options{.spill = true};
  const BandedGraph spilled = ChooseEvictions(WithoutBands(SkipsGraph()), options).back();
  const BandedGraph in_time = FetchInTime(spilled, 1);
  const auto places = [](const Graph& graph) {
    std::vector<size_t> out;
    for (size_t i = 0; i < graph.ops.size(); ++i) {
      if (std::holds_alternative<op::Fetch>(graph.ops[i].kind)) out.push_back(i);
    }
    return out;
  };
  const std::vector<size_t> late = places(spilled.graph), early = places(in_time.graph);
  ASSERT_EQ(late.size(), 2u);
  EXPECT_LT(early[1], late[1]);
}

std::vector<Step>& Transfers(Plan& plan) { return plan.queues[kSpillQueue].steps; }
step::Transfer& Transfer(Plan& plan, size_t step) {
  return std::get<step::Transfer>(Transfers(plan)[step].work);
}

TEST(SpillPlan, TheCheckerFindsEveryMissingSync) {
  const Sound sound = SpilledPlan();
  size_t dropped = 0;
  for (size_t queue = 0; queue < sound.plan.queues.size(); ++queue) {
    for (size_t step = 0; step < sound.plan.queues[queue].steps.size(); ++step) {
      for (size_t i = 0; i < sound.plan.queues[queue].steps[step].syncs.size(); ++i) {
        Plan plan = sound.plan;
        std::vector<Sync>& syncs = plan.queues[queue].steps[step].syncs;
        syncs.erase(syncs.begin() + static_cast<ptrdiff_t>(i));
        const Status status = CheckPlan(sound.graph, plan);
        ASSERT_FALSE(status) << queue << " " << step << " " << i;
        EXPECT_EQ(status.error().key, "PLAN_INVALID");
        ++dropped;
      }
    }
  }
  EXPECT_GE(dropped, 4u);
}

TEST(SpillPlan, TheCheckerFindsDamagedTransfers) {
  const Sound sound = SpilledPlan();
  ASSERT_EQ(sound.plan.queues[kSpillQueue].steps.size(), 4u);
  using Damage = std::function<void(Plan&)>;
  std::vector<std::pair<std::string, Damage>> damages = {
      {"no queue", [](Plan& plan) { plan.queues.pop_back(); }},
      {"file too small", [](Plan& plan) { plan.scratch_bytes -= 4096; }},
      {"file too large for any disk", [](Plan& plan) { plan.scratch_bytes = ~uint64_t{0}; }},
      {"file without bytes", [](Plan& plan) { plan.scratch_bytes = 0; }},
      {"on the CPU",
       [](Plan& plan) {
         const OpId op = Transfer(plan, 0).op;
         plan.queues[kCpuQueue].steps.push_back({step::Run{op}, {}, true});
       }},
      {"of another kind", [](Plan& plan) { Transfers(plan)[1].work = step::Run{OpId(1)}; }},
  };
  for (size_t i = 0; i < 4; ++i) {
    const auto add = [&](std::string_view what, Damage damage) {
      damages.emplace_back(std::string(what) + " " + std::to_string(i), std::move(damage));
    };
    add("dropped", [i](Plan& plan) {
      // What waits for it waits for the step before or after.
      Transfers(plan).erase(Transfers(plan).begin() + static_cast<ptrdiff_t>(i));
      for (Fence& fence : plan.fences) {
        if (fence.queue == kSpillQueue && fence.step >= i && fence.step > 0) --fence.step;
      }
    });
    add("twice", [i](Plan& plan) { Transfers(plan).push_back(Transfers(plan)[i]); });
    add("beyond the file",
        [i](Plan& plan) { Transfer(plan, i).scratch_offset = plan.scratch_bytes; });
    add("far beyond the file", [i](Plan& plan) {
      Transfer(plan, i).scratch_offset = std::numeric_limits<uint64_t>::max() - 4095;
    });
    add("no whole blocks", [i](Plan& plan) { Transfer(plan, i).scratch_offset += 64; });
    add("another place", [i](Plan& plan) {
      uint64_t& offset = Transfer(plan, i).scratch_offset;
      offset = offset == 0 ? 4096 : 0;
    });
    add("no such op", [i](Plan& plan) { Transfer(plan, i).op = OpId(1000); });
    add("an op that moves nothing", [i](Plan& plan) { Transfer(plan, i).op = OpId(1); });
    add("for logits", [i](Plan& plan) { Transfers(plan)[i].logits_only = true; });
    // The two fetches, the last steps, may come in any order where one sync waits for both.
    for (size_t k = i + 1; k < 4 && i < 2; ++k) {
      add("swapped with " + std::to_string(k),
          [i, k](Plan& plan) { std::swap(Transfers(plan)[i].work, Transfers(plan)[k].work); });
    }
  }
  for (size_t value = 0; value < sound.graph.values.size(); ++value) {
    if (!sound.graph.values[value].name.ends_with(".back")) continue;
    const auto buffer = [value](Plan& plan) -> PlanBuffer& {
      return plan.buffers[Index(plan.value_buffers[value])];
    };
    damages.emplace_back("no aligned buffer", [=](Plan& plan) { buffer(plan).offset += 64; });
    damages.emplace_back("a small buffer", [=](Plan& plan) { buffer(plan).bytes -= 4096; });
  }
  for (const auto& [what, damage] : damages) {
    Plan plan = sound.plan;
    damage(plan);
    const Status status = CheckPlan(sound.graph, plan);
    ASSERT_FALSE(status) << what;
    EXPECT_EQ(status.error().key, "PLAN_INVALID") << what;
  }
}

std::string TextOf(const Graph& graph, const Plan& plan) {
  return WritePlan(graph, plan, {.budget_bytes = 1, .machine = "a CPU", .rates = {}});
}

TEST(SpillPlan, TheTextOfAPlanGivesThePlanAgain) {
  const Sound sound = SpilledPlan();
  const std::string text = TextOf(sound.graph, sound.plan);
  EXPECT_THAT(text, testing::HasSubstr("DISK.spill {"));
  EXPECT_THAT(text, testing::HasSubstr("outer.spill: scratch "));
  EXPECT_THAT(text, testing::HasSubstr("outer.fetch: scratch "));
  const SourceText source("skips.plan", text);
  Diagnostics diagnostics(source);
  const Result<SavedPlan> again = ReadPlan(sound.graph, diagnostics);
  ASSERT_TRUE(again) << diagnostics.Text();
  EXPECT_EQ(TextOf(sound.graph, again->plan), text);
  EXPECT_EQ(again->plan.scratch_bytes, sound.plan.scratch_bytes);
}

TEST(SpillPlan, ADamagedTextIsRefused) {
  const Sound sound = SpilledPlan();
  const std::string text = TextOf(sound.graph, sound.plan);
  const std::string budget = "budget SCRATCH <= " + std::to_string(sound.plan.scratch_bytes) + ";";
  for (const auto& [from, to] : {std::pair<std::string, std::string>{budget, ""},
                                 {budget, budget + budget},
                                 {budget, "budget SCRATCH <= 4096;"},
                                 {"outer.spill: scratch", "outer.fetch: scratch"},
                                 {"outer.spill: scratch", "outer.spill: weights"},
                                 {"outer.fetch: scratch", "outer.fetch[0..1]: scratch"},
                                 {"outer.fetch: scratch", "outer.again: scratch"}}) {
    std::string damaged = text;
    const size_t at = damaged.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    damaged.replace(at, from.size(), to);
    const SourceText source("skips.plan", damaged);
    Diagnostics diagnostics(source);
    const Result<SavedPlan> read = ReadPlan(sound.graph, diagnostics);
    ASSERT_FALSE(read) << from << " -> " << to;
    EXPECT_EQ(read.error().key, "PLAN_INVALID") << from << " -> " << to;
  }
}

}  // namespace
}  // namespace tinyai
