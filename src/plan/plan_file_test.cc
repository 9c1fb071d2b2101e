#include "plan/plan_file.h"

#include <cstdlib>
#include <functional>

#include "base/units.h"
#include "fmt/format.h"
#include "golden/golden.h"
#include "lang/lexer.h"
#include "lang/number.h"
#include "plan/check_plan.h"
#include "plan/device_test_support.h"
#include "plan/fingerprint.h"
#include "plan/plan_names.h"
#include "plan/plan_test_support.h"
#include "rapidcheck.h"

namespace tinyai {
namespace {

const PlanPurpose kPurpose = {100 * kMiB, "a CPU, 2 CPUs, AVX2", {}};

struct ReadBack {
  Result<SavedPlan> plan;
  std::string complaints;
};

ReadBack Read(const Graph& graph, const std::string& text) {
  const SourceText source("a.plan", text);
  Diagnostics diagnostics(source);
  Result<SavedPlan> plan = ReadPlan(graph, diagnostics);
  EXPECT_EQ(plan.has_value(), !diagnostics.has_errors());
  return {std::move(plan), diagnostics.Text()};
}

// What reading makes of the order of fences.
Plan WithFencesInOrder(const Plan& plan) {
  std::vector<uint32_t> order(plan.fences.size()), position(plan.fences.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(plan.fences[a].queue, plan.fences[a].step) <
           std::pair(plan.fences[b].queue, plan.fences[b].step);
  });
  Plan out = plan;
  for (uint32_t i = 0; i < order.size(); ++i) {
    out.fences[i] = plan.fences[order[i]];
    position[order[i]] = i;
  }
  for (PlanQueue& queue : out.queues) {
    for (Step& step : queue.steps) {
      for (Sync& sync : step.syncs) sync.fence = FenceId(position[Index(sync.fence)]);
    }
  }
  return out;
}

Graph SmallGraph(uint32_t layers = 2) {
  return MakeGraph(
      {.width = 256, .layers = layers, .feed_forward = 1536, .vocabulary = 512, .tied = true});
}

Planned SmallPlan(const Graph& graph, bool resident) {
  PlanRequest request{.workers = 2, .context = 64, .chunk = 4};
  request.budget_bytes = resident ? 100 * kMiB : LeastBudget(graph, request) + 512 * kKiB;
  const Result<Planned> planned = CompilePlan(graph, request);
  EXPECT_TRUE(planned) << Describe(planned.error());
  return *planned;
}

// In which that plan can be carried out.
PlanRequest RequestFor(const Planned& planned) {
  PlanRequest request{.workers = 2, .context = 64, .chunk = 4};
  request.budget_bytes = planned.report.predicted_peak_bytes;
  return request;
}

TEST(PlanFile, ShowsAStreamingAndAResidentPlan) {
  const Graph graph = SmallGraph();
  for (const bool resident : {false, true}) {
    ExpectGolden(fmt::format("src/plan/goldens/{}.txt", resident ? "resident" : "streaming"),
                 WritePlan(graph, SmallPlan(graph, resident).plan, kPurpose));
  }
}

// --- there and back ---

TEST(PlanFile, GivesTheSamePlanAgain) {
  EXPECT_TRUE(rc::check([] {
    const auto pick = [](auto... items) { return *rc::gen::elementOf(std::vector{items...}); };
    const Graph graph = MakeGraph({.architecture = pick(std::string("llama"), std::string("qwen2")),
                                   .width = 128,
                                   .layers = *rc::gen::inRange(1u, 4u),
                                   .feed_forward = 32 * *rc::gen::inRange(1u, 60u),
                                   .heads = 4,
                                   .kv_heads = 2,
                                   .vocabulary = *rc::gen::inRange(1u, 3'000u),
                                   .tied = *rc::gen::arbitrary<bool>()});
    PlanRequest request{.workers = *rc::gen::inRange(1u, 4u),
                        .context = *rc::gen::inRange<uint64_t>(1, 200),
                        .key_type = pick(DType::kF16, DType::kQ8_0)};
    const ModelWishes wishes = OnDevice(
        graph, {pick(std::string("blk.0"), std::string("output"), std::string("blk.0.ffn"))});
    if (*rc::gen::arbitrary<bool>()) {
      request.wishes = &wishes;
      request.device = kTestDevice;
    }
    request.budget_bytes = LeastBudget(graph, request) + *rc::gen::inRange<uint64_t>(0, 4 * kMiB);
    const Result<Planned> planned = CompilePlan(graph, request);
    RC_ASSERT(planned.has_value());
    const std::string text = WritePlan(graph, planned->plan, kPurpose);
    const ReadBack back = Read(graph, text);
    if (!back.plan) RC_FAIL(back.complaints);
    RC_ASSERT(back.plan->plan == WithFencesInOrder(planned->plan));
    RC_ASSERT(WritePlan(graph, back.plan->plan, back.plan->purpose) == text);
    const PlanReport report = ReportPlan(graph, request, back.plan->plan);
    RC_ASSERT(report.predicted_tokens_per_second == planned->report.predicted_tokens_per_second);
    RC_ASSERT(report.stall_seconds_per_token == planned->report.stall_seconds_per_token);
    RC_ASSERT(report.predicted_peak_bytes == planned->report.predicted_peak_bytes);
    RC_ASSERT(back.plan->purpose == kPurpose);
    RC_ASSERT(CheckPlanSuits(*back.plan, kPurpose, request).has_value());
  }));
}

TEST(PlanFile, TakesAnyFormOfTheSameText) {
  const Graph graph = SmallGraph();
  const Plan plan = SmallPlan(graph, false).plan;
  std::string text = "// kept\r\n/* for later */" + WritePlan(graph, plan, kPurpose);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ';') text.insert(++i, "\t// so");
  }
  const ReadBack back = Read(graph, text);
  ASSERT_TRUE(back.plan) << back.complaints;
  EXPECT_EQ(back.plan->plan, WithFencesInOrder(plan));
}

// --- damage ---

std::string WithoutSeal(const std::string& text) { return text.substr(0, text.rfind("seal ")); }

// Every token of a plan replaced by each of `others`, or by what `change` makes of it.
void EachDamage(const std::string& text, const std::function<void(const std::string&, Span)>& use) {
  const SourceText source("t", text);
  Diagnostics diagnostics(source);
  Lexer lexer(diagnostics);
  for (Token token = lexer.Next(Lexer::Mode::kUsual); token.kind != TokenKind::kEnd;
       token = lexer.Next(Lexer::Mode::kUsual)) {
    const std::string before = text.substr(0, token.span.begin),
                      after = text.substr(token.span.end);
    if (const std::optional<uint64_t> number = WholeNumber(source.Slice(token.span))) {
      for (const uint64_t other :
           {*number + 1, *number - 1, uint64_t{0}, uint64_t{1} << 63, *number * 2}) {
        if (other != *number) use(before + fmt::format("{}", other) + after, token.span);
      }
    }
    use(before + " " + after, token.span);
    use(before + "blk.0.attn_q " + after, token.span);
  }
}

TEST(PlanFile, WithAnyOneFieldChangedIsRefused) {
  const Graph graph = SmallGraph(1);
  const Plan plan = SmallPlan(graph, false).plan;
  const std::string text = WritePlan(graph, plan, kPurpose);
  size_t tried = 0, by_seal = 0;
  EachDamage(text, [&](const std::string& damaged, Span token) {
    if (token.begin >= text.rfind("seal ")) return;
    const ReadBack back = Read(graph, damaged);
    ++tried;
    if (back.plan) {  // the semicolon of a fence may be left out
      EXPECT_EQ(back.plan->plan, WithFencesInOrder(plan)) << damaged.substr(token.begin - 40, 80);
      return;
    }
    const std::string_view key = back.plan.error().key;
    EXPECT_TRUE(key == "SCHEDULE_SYNTAX" || key == "PLAN_MISMATCH" || key == "PLAN_INVALID") << key;
    by_seal += back.complaints.find("[P4]") != std::string::npos;
  });
  EXPECT_GT(tried, 3000u);
  EXPECT_LT(by_seal, tried / 10) << "the checker finds most of it";
  RecordProperty("damages", std::to_string(tried));
  RecordProperty("found_by_the_seal_alone", std::to_string(by_seal));
}

// Whoever takes the seal away gets what the checker accepts, and nothing else; and what the plan
// was made for may not be changed into anything that is another machine or budget.
TEST(PlanFile, WithoutASealIsStillChecked) {
  const Graph graph = SmallGraph(1);
  const Planned planned = SmallPlan(graph, false);
  const std::string text = WithoutSeal(WritePlan(graph, planned.plan, kPurpose));
  ASSERT_TRUE(Read(graph, text).plan);
  size_t refused = 0, harmless = 0;
  EachDamage(text, [&](const std::string& damaged, Span token) {
    const ReadBack back = Read(graph, damaged);
    const bool suits = back.plan && CheckPlanSuits(*back.plan, kPurpose, RequestFor(planned));
    if (!suits) {
      ++refused;
      return;
    }
    ++harmless;
    EXPECT_TRUE(CheckPlan(graph, back.plan->plan)) << damaged.substr(token.begin, 40);
    EXPECT_EQ(back.plan->purpose.budget_bytes, kPurpose.budget_bytes);
    EXPECT_EQ(back.plan->purpose.machine, kPurpose.machine);
    for (const RateField& rate : kRateFields) {  // a rate that is not quite the same is none other
      EXPECT_LE(back.plan->purpose.rates.*rate.member, 4 * kPurpose.rates.*rate.member);
      EXPECT_GE(4 * back.plan->purpose.rates.*rate.member, kPurpose.rates.*rate.member);
    }
  });
  EXPECT_GT(refused, 10 * harmless);
}

TEST(PlanFile, SaysWhatIsWrongAndWhere) {
  const Graph graph = SmallGraph();
  const std::string text = WritePlan(graph, SmallPlan(graph, false).plan, kPurpose);
  const auto after_replacing = [&](const std::string& what, const std::string& by) {
    std::string damaged = text;
    const size_t at = damaged.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    damaged.replace(at, what.size(), by);
    const ReadBack back = Read(graph, damaged);
    EXPECT_FALSE(back.plan);
    return back.plan ? "" : Describe(back.plan.error());
  };
  const auto contains = [](const std::string& error, const std::string& part) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  contains(after_replacing("version 2", "version 1"), "PLAN_MISMATCH: line 1, column 1: [P2]");
  contains(after_replacing("version 2, model \"", "version 2, model \"0"), "not for this one");
  contains(after_replacing("workers 2,", ""),
           "PLAN_INVALID: line 1, column 1: [P1] 'workers' is missing");
  contains(after_replacing("keys F16", "keys F17"), "'F17' is no type");
  contains(after_replacing("sync(read", "sync(wrong"), "[I7] no fence 'wrong");
  contains(after_replacing("at 0,", "at 0, at 0,"), "'at' is not known here, or there twice");
  contains(after_replacing("queue \"DISK\";", ""), "'DISK' is no queue of this plan");
  contains(after_replacing("load part.0", "pin part.0"), "a plan has no such command");
  contains(after_replacing("  blk.0.attn_norm;", "  blk.0.attn_norn;"), "no op 'blk.0.attn_norn'");
  contains(after_replacing("seal \"", "seal \"0"), "[P4] this plan was changed");
  contains(after_replacing("plan \"", "plain \""), "this is no plan");
  contains(after_replacing("workers 2,", "workers 2"), "SCHEDULE_SYNTAX: line 1, column");
  contains(after_replacing("budget 104857600, ", ""), "[P1] 'budget' is missing");
  contains(after_replacing("disk 1000000000, ", ""), "line 2, column 1: [P1] 'disk' is missing");
  contains(after_replacing("machine \"", "// machine \""), "the record 'machine' is missing");
  contains(after_replacing("queue \"CPU\"", "machine \"CPU\""), "a second machine");
  contains(after_replacing("seal \"", "seal \"0"), "; make the plan again: tinyai plan --emit");
}

TEST(PlanFile, ThatWasCutSaysThatItCanBeMadeAgain) {
  const Graph graph = SmallGraph(1);
  const std::string text = WritePlan(graph, SmallPlan(graph, false).plan, kPurpose);
  for (size_t size = 0; size < text.rfind("seal "); size += 97) {
    const ReadBack back = Read(graph, text.substr(0, size));
    ASSERT_FALSE(back.plan) << size;
    EXPECT_TRUE(back.plan.error().message.ends_with("tinyai plan --emit schedule -o FILE"))
        << back.plan.error().message;
  }
}

TEST(PlanFile, PointsAtTheStepThatTheCheckerRefuses) {
  const Graph graph = SmallGraph();
  std::string text = WritePlan(graph, SmallPlan(graph, false).plan, kPurpose);
  const size_t at = text.find("  sync(read");
  text.erase(at, text.find('\n', at) + 1 - at);
  const ReadBack back = Read(graph, text);
  ASSERT_FALSE(back.plan);
  EXPECT_EQ(back.plan.error().key, "PLAN_INVALID");
  EXPECT_NE(back.complaints.find("error[P3]: CPU step "), std::string::npos) << back.complaints;
  EXPECT_NE(back.complaints.find("\n  blk.0."), std::string::npos) << back.complaints;
}

TEST(PlanFile, OfAPlanThatDeadlocksIsWrittenAndRefused) {
  const Graph graph = SmallGraph();
  Plan plan = SmallPlan(graph, false).plan;
  for (PlanQueue& queue : plan.queues) {
    for (Step& step : queue.steps) {
      for (Sync& sync : step.syncs) sync.distance = 0;
    }
  }
  const ReadBack back = Read(graph, WritePlan(graph, plan, kPurpose));
  ASSERT_FALSE(back.plan);
  EXPECT_EQ(back.plan.error().key, "PLAN_INVALID");
  EXPECT_NE(back.complaints.find("deadlock"), std::string::npos) << back.complaints;
}

TEST(PlanFile, OfAnotherModelIsRefused) {
  const Graph graph = SmallGraph();
  const std::string text = WritePlan(graph, SmallPlan(graph, false).plan, kPurpose);
  const Graph other =
      MakeGraph({.width = 256, .layers = 3, .feed_forward = 1536, .vocabulary = 512});
  const ReadBack back = Read(other, text);
  ASSERT_FALSE(back.plan);
  EXPECT_EQ(back.plan.error().key, "PLAN_MISMATCH");
}

// --- fingerprints and requests ---

TEST(ModelFingerprint, DependsOnEverythingAPlanDependsOn) {
  const Graph graph = SmallGraph();
  const uint64_t own = ModelFingerprint(graph);
  EXPECT_EQ(ModelFingerprint(SmallGraph()), own);
  const std::vector<std::function<void(Graph&)>> changes = {
      [](Graph& g) { g.weights[1].name += 'x'; },
      [](Graph& g) { ++g.weights[1].offset; },
      [](Graph& g) { ++g.weights[1].part; },
      [](Graph& g) { ++g.weights[1].bytes; },
      [](Graph& g) { ++g.weights[1].rows; },
      [](Graph& g) { ++g.weights[1].cols; },
      [](Graph& g) { g.weights[1].type = DType::kQ4_1; },
      [](Graph& g) { ++g.values[1].width; },
      [](Graph& g) { ++g.values[1].row_bytes; },
      [](Graph& g) { g.values[1].name += 'x'; },
      [](Graph& g) { g.values[1].rows = Rows::kLast; },
      [](Graph& g) { std::swap(g.ops[1], g.ops[2]); },
      [](Graph& g) { ++g.attention.window; },
      [](Graph& g) { ++g.attention.heads; },
      [](Graph& g) { g.outputs = {ValueId(0)}; },
      [](Graph& g) { ++g.rope.dims; },
      [](Graph& g) { g.ops[1].ins.push_back(ValueId(0)); },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    Graph changed = graph;
    changes[i](changed);
    EXPECT_NE(ModelFingerprint(changed), own) << i;
  }
}

TEST(CheckPlanSuits, RefusesAPlanForAnotherOccasion) {
  const Graph graph = SmallGraph();
  const Planned planned = SmallPlan(graph, false);
  const SavedPlan saved{planned.plan, kPurpose};
  const PlanRequest request = RequestFor(planned);
  EXPECT_TRUE(CheckPlanSuits(saved, kPurpose, request));
  struct Change {
    std::string_view said;
    std::function<void(PlanPurpose&, PlanRequest&)> make;
  };
  const std::vector<Change> changes = {
      {"budget: the plan was made for 104857600, here it is 104857601; leave out --memory, or make",
       [](PlanPurpose& p, PlanRequest&) { ++p.budget_bytes; }},
      {"machine: the plan was made for 'a CPU, 2 CPUs, AVX2', here it is 'other'; make the plan",
       [](PlanPurpose& p, PlanRequest&) { p.machine = "other"; }},
      {"disk: the plan was made for 1000000000, here it is 200000000",
       [](PlanPurpose& p, PlanRequest&) { p.rates.disk_bytes_per_second = 0.2e9; }},
      {"macs: ", [](PlanPurpose& p, PlanRequest&) { p.rates.compute_macs_per_second *= 5; }},
      {"request_ns: the plan was made for 100000, here it is 10000",
       [](PlanPurpose& p, PlanRequest&) { p.rates.request_seconds = 10e-6; }},
      {"in all; the budget is ", [](PlanPurpose&, PlanRequest& r) { --r.budget_bytes; }},
      {"workers: the plan was made for 2, here it is 1; leave out --threads",
       [](PlanPurpose&, PlanRequest& r) { r.workers = 1; }},
      {"context: the plan was made for 64, here it is 65",
       [](PlanPurpose&, PlanRequest& r) { r.context = 65; }},
      {"chunk: ", [](PlanPurpose&, PlanRequest& r) { r.chunk = 8; }},
      {"keys: the plan was made for F16, here it is F32",
       [](PlanPurpose&, PlanRequest& r) { r.key_type = DType::kF32; }},
      {"values: ", [](PlanPurpose&, PlanRequest& r) { r.value_type = DType::kQ8_0; }},
      {"blocks: the plan was made for 4096, here it is multiples of 8192",
       [](PlanPurpose&, PlanRequest& r) { r.io_alignment = 8192; }},
      {"in all; the budget is ",
       [](PlanPurpose&, PlanRequest& r) {
         r.fixed = {{"program", 1}};
       }},
      {"more than 2^64 bytes in all",
       [](PlanPurpose&, PlanRequest& r) {
         r.fixed = {{"program", ~uint64_t{0}}};
       }},
  };
  for (const Change& change : changes) {
    PlanPurpose here = kPurpose;
    PlanRequest changed = request;
    change.make(here, changed);
    const Status status = CheckPlanSuits(saved, here, changed);
    ASSERT_FALSE(status) << change.said;
    EXPECT_EQ(status.error().key, "PLAN_MISMATCH");
    EXPECT_NE(status.error().message.find(change.said), std::string::npos)
        << status.error().message;
    EXPECT_TRUE(status.error().message.ends_with("tinyai plan --emit schedule -o FILE"));
  }
}

// Two probes of one machine are never quite the same.
TEST(CheckPlanSuits, AcceptsRatesThatMovedALittle) {
  const Planned planned = SmallPlan(SmallGraph(), false);
  PlanPurpose here = kPurpose;
  here.rates.measured = true;
  here.rates.product_bytes_per_second = 1;  // decides nothing
  for (const RateField& rate : kRateFields) here.rates.*rate.member *= 3;
  EXPECT_TRUE(CheckPlanSuits({planned.plan, kPurpose}, here, RequestFor(planned)));
}

}  // namespace
}  // namespace tinyai
