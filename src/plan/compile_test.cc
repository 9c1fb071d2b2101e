#include <cstdio>

#include "base/units.h"
#include "gtest/gtest.h"
#include "plan/check_plan.h"
#include "plan/details.h"
#include "plan/draft.h"
#include "plan/plan_test_support.h"
#include "rapidcheck.h"

namespace tinyai {
namespace {

// --- random models and requests ---

// Read by rapidcheck at the first property: 1,000 models each, the same ones in every run.
[[maybe_unused]] const int kParameters = setenv("RC_PARAMS", "max_success=1000 seed=7", 0);

template <typename T>
T Pick(std::initializer_list<T> items) {
  return *rc::gen::elementOf(std::vector<T>(items));
}

TestModel RandomModel() {
  const uint32_t head_dim = Pick({32u, 64u, 128u}), kv_heads = Pick({1u, 2u, 3u});
  TestShape shape;
  shape.architecture = Pick({std::string("llama"), std::string("qwen2"), std::string("qwen3")});
  shape.kv_heads = kv_heads;
  shape.heads = kv_heads * Pick({1u, 2u, 4u});
  shape.width = head_dim * shape.heads;
  shape.layers = *rc::gen::inRange(1u, 6u);
  shape.feed_forward = 32 * *rc::gen::inRange(1u, 60u);
  shape.vocabulary = *rc::gen::inRange(1u, 5'000u);
  shape.type = Pick({DType::kF32, DType::kF16, DType::kQ8_0, DType::kQ4_0});
  shape.embedding_type = Pick({DType::kF32, DType::kQ4_0});
  shape.tied = *rc::gen::arbitrary<bool>();
  TestModel model(shape);
  if (*rc::gen::arbitrary<bool>()) model.Shuffle(*rc::gen::arbitrary<uint64_t>());
  return model;
}

PlanRequest RandomRequest() {
  PlanRequest request;
  request.fixed = {{"program", *rc::gen::inRange<uint64_t>(0, 10 * kMiB)}, {"threads", 12'345}};
  request.workers = *rc::gen::inRange(1u, 5u);
  request.context = *rc::gen::inRange<uint64_t>(1, 700);
  request.chunk = *rc::gen::arbitrary<bool>() ? 0 : *rc::gen::inRange<uint64_t>(1, 100);
  request.key_type = Pick({DType::kF16, DType::kQ8_0, DType::kF32});
  request.value_type = Pick({DType::kF16, DType::kQ8_0});
  request.io_alignment = Pick<uint64_t>({512, 4096});
  return request;
}

uint64_t ComponentBytes(const PlanReport& report) {
  uint64_t sum = 0;
  for (const Component& component : report.components) sum += component.bytes;
  return sum;
}

// What holds of any plan.
void CheckProperties(const Graph& graph, const PlanRequest& request, const Planned& planned) {
  const Plan& plan = planned.plan;
  const PlanReport& report = planned.report;
  const Status status = CheckPlan(graph, plan);
  if (!status) RC_FAIL(Describe(status.error()));
  RC_ASSERT(report.predicted_peak_bytes <= request.budget_bytes);
  RC_ASSERT(report.predicted_peak_bytes == ComponentBytes(report));
  RC_ASSERT(report.pass_bytes == graph.PassBytes());
  RC_ASSERT(plan.resident_bytes + plan.streamed_bytes == graph.PassBytes());
  RC_ASSERT(plan.streamed_read_bytes >= plan.streamed_bytes);
  RC_ASSERT(plan.chunk >= 1u && plan.chunk <= request.context);
  RC_ASSERT(plan.workers == request.workers && plan.context == request.context);
}

// Of 1,000 random models the least budget works, to the byte (F1, F2).
TEST(CompilePlan, TheLeastBudgetWorksAndOneByteLessDoesNot) {
  EXPECT_TRUE(rc::check([] {
    const Graph graph = MakeGraph(RandomModel());
    PlanRequest request = RandomRequest();
    const Result<Planned> least = CompileLeast(graph, request);
    RC_ASSERT(least.has_value());
    const uint64_t bytes = least->report.least_budget_bytes;
    request.budget_bytes = bytes;
    const Result<Planned> planned = CompilePlan(graph, request);
    if (!planned) RC_FAIL(Describe(planned.error()));
    CheckProperties(graph, request, *planned);
    RC_ASSERT(planned->report.least_budget_bytes == bytes);
    for (const uint64_t less : {bytes - 1, bytes / 2, uint64_t{1}, uint64_t{0}}) {
      request.budget_bytes = less;
      const Result<Planned> refused = CompilePlan(graph, request);
      RC_ASSERT(!refused.has_value());
      RC_ASSERT(refused.error().key == "BUDGET_INFEASIBLE");
      RC_ASSERT(refused.error().code == ErrorCode::kBudget);
      RC_ASSERT(refused.error().message.find(fmt::format("need={}", bytes)) != std::string::npos);
    }
  }));
}

TEST(CompilePlan, KeepsItsPromisesForAnyModelAndBudget) {
  EXPECT_TRUE(rc::check([] {
    const Graph graph = MakeGraph(RandomModel());
    PlanRequest request = RandomRequest();
    const uint64_t least = LeastBudget(graph, request);
    const uint64_t range = graph.PassBytes() * 3 / 2 + 2;
    request.budget_bytes = least + *rc::gen::inRange<uint64_t>(0, range);
    const Result<Planned> planned = CompilePlan(graph, request);
    if (!planned) RC_FAIL(Describe(planned.error()));
    CheckProperties(graph, request, *planned);
    request.budget_bytes = ~uint64_t{0};
    const Result<Planned> all = CompilePlan(graph, request);
    RC_ASSERT(all.has_value());
    CheckProperties(graph, request, *all);
    RC_ASSERT(all->plan.streamed_bytes == 0u);
    RC_ASSERT(all->plan.queues[kRowsQueue].steps.empty());  // then the embedding stays too
  }));
}

// --- the shape of a real model ---

const Graph& EightBGraph() {
  static const Graph graph = MakeGraph(EightB());
  return graph;
}

Planned PlanEightB(uint64_t budget) {
  const PlanRequest request{
      .budget_bytes = budget, .fixed = {{"program", 10 * kMiB}}, .workers = 2, .context = 512};
  const Result<Planned> planned = CompilePlan(EightBGraph(), request);
  EXPECT_TRUE(planned) << Describe(planned.error());
  return *planned;
}

// Ring and chunk may take a 24th each of what is beyond the least, so a little more budget may
// stream that much more, never more than that.
TEST(CompilePlan, StreamsLessWithALargerBudget) {
  const uint64_t least = PlanEightB(kGiB).report.least_budget_bytes;
  uint64_t before = EightBGraph().PassBytes() + 1;
  for (uint64_t budget = least; budget < 5 * kGiB; budget += 211 * kMiB) {
    const uint64_t streamed = PlanEightB(budget).plan.streamed_bytes;
    EXPECT_LE(streamed, before + (budget - least) / 12) << FormatByteSize(budget);
    before = std::min(before, streamed);
  }
  EXPECT_EQ(before, 0u);
}

// Figure "full use": resident >= min(M, budget - KV - 100 MiB) for budgets from 512 MiB on.
TEST(CompilePlan, UsesTheBudgetForWeights) {
  for (const uint64_t budget : {512 * kMiB, kGiB, 2 * kGiB, 3 * kGiB, 4 * kGiB, 6 * kGiB}) {
    const Planned planned = PlanEightB(budget);
    const uint64_t kv = 512 * 2 * 8 * 128 * 2 * 32;  // context, K and V, heads, size, f16, layers
    EXPECT_GE(planned.plan.resident_bytes,
              std::min(planned.report.pass_bytes, budget - kv - 100 * kMiB));
  }
}

// At every point of the pass, as much has been streamed as its share of the bytes so far, give or
// take a slice: then the disk never has to catch up.
TEST(CompilePlan, SpreadsWhatIsStreamedEvenly) {
  for (const uint64_t budget : {512 * kMiB, 2 * kGiB, 4 * kGiB}) {
    const Plan plan = PlanEightB(budget).plan;
    uint64_t total = 0, slice = 0;
    const auto visit = [&](const auto& each) {
      for (const Step& step : plan.queues[kCpuQueue].steps) {
        const auto& run = std::get<step::Run>(step.work);
        const Op& op = EightBGraph().ops[Index(run.op)];
        if (!std::holds_alternative<op::MatMul>(op.kind)) continue;
        const uint64_t row = EightBGraph().weight(op.weights[0]).row_bytes();
        const bool streamed =
            std::any_of(plan.buffers.begin(), plan.buffers.end(), [&](const PlanBuffer& buffer) {
              return buffer.kind == BufferKind::kRing && run.weights_offset >= buffer.offset &&
                     run.weights_offset < buffer.offset + buffer.bytes;
            });
        each((run.row_end - run.row_begin) * row, streamed);
      }
    };
    visit([&](uint64_t bytes, bool streamed) {
      total += bytes;
      if (streamed) slice = std::max(slice, bytes);
    });
    const double share = static_cast<double>(plan.streamed_bytes) / static_cast<double>(total);
    double done = 0, read = 0, worst = 0;
    visit([&](uint64_t bytes, bool streamed) {
      // Within a run of resident slices the share is owed at its end only.
      if (streamed) read += static_cast<double>(bytes);
      done += static_cast<double>(bytes);
      worst = std::max(worst, std::abs(read - share * done));
    });
    EXPECT_LE(worst, 1.01 * static_cast<double>(slice)) << FormatByteSize(budget);
  }
}

uint64_t RingBytes(const Plan& plan) {
  uint64_t bytes = 0;
  for (const PlanBuffer& buffer : plan.buffers) {
    if (buffer.kind == BufferKind::kRing) bytes += buffer.bytes;
  }
  return bytes;
}

// A disk that is far away needs more on its way at once, even where that displaces weights.
TEST(CompilePlan, TheRingFollowsTheDisksRateAndItsRequests) {
  const Graph graph = MakeGraph(EightB());
  PlanRequest request{.workers = 2, .context = 256};
  request.budget_bytes = LeastBudget(graph, request) + 20 * kMiB;
  const uint64_t usual = RingBytes(CompilePlan(graph, request)->plan);
  request.rates.request_seconds = 2e-3;
  const Result<Planned> planned = CompilePlan(graph, request);
  ASSERT_TRUE(planned);
  EXPECT_GT(RingBytes(planned->plan), usual);
  EXPECT_GE(static_cast<double>(RingBytes(planned->plan)),
            2 * request.rates.disk_bytes_per_second * request.rates.request_seconds);
}

// Nothing is faster than the busier of disk and computation; spread evenly, the streamed slices
// come within a few of that.
TEST(CompilePlan, StreamingKeepsTheBusierQueueBusy) {
  const Graph graph = MakeGraph(EightB());
  for (const double disk : {0.2e9, 1e9, 5e9, 20e9, 60e9}) {
    for (const uint64_t budget : {256 * kMiB, kGiB, 2 * kGiB, 3 * kGiB}) {
      PlanRequest request{.budget_bytes = budget, .workers = 2, .context = 256};
      request.rates.disk_bytes_per_second = disk;
      const Result<Planned> planned = CompilePlan(graph, request);
      ASSERT_TRUE(planned) << Describe(planned.error());
      const PlanReport& report = planned->report;
      const double least =
          std::max(report.compute_seconds_per_token, report.disk_seconds_per_token);
      EXPECT_LE(1 / report.predicted_tokens_per_second, 1.02 * least)
          << FormatByteSize(budget) << " at " << disk;
    }
  }
}

// --- modes ---

uint64_t PeakOf(const Graph& graph, PlanRequest request, PlanMode mode) {
  request.mode = mode;
  const Result<Planned> planned = CompilePlan(graph, request);
  if (!planned) RC_FAIL(Describe(planned.error()));
  RC_ASSERT(planned->report.predicted_peak_bytes <= request.budget_bytes);
  return planned->report.predicted_peak_bytes;
}

TEST(CompilePlan, ModesTakeMoreMemoryTheLessTheyStream) {
  EXPECT_TRUE(rc::check([] {
    const Graph graph = MakeGraph(RandomModel());
    PlanRequest request = RandomRequest();
    request.budget_bytes = 4 * kGiB;
    const uint64_t streaming = PeakOf(graph, request, PlanMode::kStreaming);
    const uint64_t memory = PeakOf(graph, request, PlanMode::kMemoryOptimised);
    const uint64_t normal = PeakOf(graph, request, PlanMode::kNormal);
    RC_ASSERT(streaming <= memory);
    RC_ASSERT(memory <= normal);
    request.budget_bytes = LeastBudget(graph, request);
    PeakOf(graph, request, PlanMode::kStreaming);
  }));
}

TEST(CompilePlan, NormalModeSaysWhatItNeedsAndThatIsEnough) {
  const Graph graph = MakeGraph(EightB());
  PlanRequest request{.budget_bytes = kGiB, .workers = 2, .context = 256};
  request.mode = PlanMode::kNormal;
  const Result<Planned> refused = CompilePlan(graph, request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().key, "BUDGET_INFEASIBLE");
  const std::string& message = refused.error().message;
  request.budget_bytes = std::stoull(message.substr(message.find("need=") + 5));
  const Result<Planned> planned = CompilePlan(graph, request);
  ASSERT_TRUE(planned) << Describe(planned.error());
  EXPECT_EQ(planned->plan.streamed_bytes, 0u);
}

TEST(CompilePlan, MoreSpeedTakesMoreMemoryAndStreamsLess) {
  const Graph graph = MakeGraph(EightB());
  PlanRequest request{.budget_bytes = 3 * kGiB, .workers = 2, .context = 256};
  uint64_t peak = 0, streamed = ~uint64_t{0};
  for (const double speed : {0.0, 0.1, 0.3, 0.5, 0.8, 1.0}) {
    request.speed = speed;
    const Result<Planned> planned = CompilePlan(graph, request);
    ASSERT_TRUE(planned) << Describe(planned.error());
    EXPECT_GT(planned->report.predicted_peak_bytes, peak);
    EXPECT_LT(planned->plan.streamed_bytes, streamed);
    peak = planned->report.predicted_peak_bytes;
    streamed = planned->plan.streamed_bytes;
  }
}

// Monotone and exact: the next larger chunk does not fit.
TEST(CompilePlan, TheLargestChunkFitsAndTheNextOneDoesNot) {
  const Graph graph = MakeGraph(TestShape{.layers = 3});
  PlanRequest request{.workers = 2, .context = 2000};
  const uint64_t least = LeastBudget(graph, request);
  request.details = true;
  uint64_t before = 0;
  for (uint64_t more = 0; more < 8 * kMiB; more += kMiB) {
    request.budget_bytes = least + more;
    request.chunk = 0;
    const uint64_t largest = CompilePlan(graph, request)->report.largest_chunk;
    EXPECT_GE(largest, before);
    before = largest;
    request.chunk = largest;
    EXPECT_TRUE(CompilePlan(graph, request));
    request.chunk = largest + 1;
    if (largest < request.context) {
      EXPECT_FALSE(CompilePlan(graph, request)) << largest + 1;
    }
  }
  EXPECT_GT(before, 10u);
}

// --- requests that make no sense ---

TEST(CompilePlan, RefusesSizesThatNoMachineHas) {
  for (const uint64_t context : {uint64_t{1} << 45, uint64_t{1} << 62, ~uint64_t{0}}) {
    const PlanRequest request{.budget_bytes = ~uint64_t{0}, .context = context};
    const Result<Planned> planned = CompilePlan(EightBGraph(), request);
    ASSERT_FALSE(planned) << context;
    EXPECT_EQ(planned.error().key, "BUDGET_INFEASIBLE");
  }
}

TEST(CompilePlan, WhatStaysFollowsTheChainOfSlicesWhereThatIsFaster) {
  const Graph graph =
      MakeGraph({.width = 256, .layers = 3, .feed_forward = 1536, .vocabulary = 512});
  PlanRequest request{.workers = 2, .context = 64, .chunk = 4};
  request.rates.disk_bytes_per_second = 4e9;
  request.details = true;
  const uint64_t least = LeastBudget(graph, request);
  size_t followed = 0, streamed = 0;
  for (uint64_t more = 512 * kKiB; more < 3 * kMiB; more += 128 * kKiB) {
    request.budget_bytes = least + more;
    const Result<Planned> planned = CompilePlan(graph, request);
    ASSERT_TRUE(planned) << Describe(planned.error());
    EXPECT_LE(planned->report.predicted_peak_bytes, request.budget_bytes);
    streamed += planned->details->ring_slots != 0;
    for (const Reason& reason : planned->details->reasons) {
      const size_t at = reason.text.find("as is best for the chain of the slices: a pass takes ");
      if (at == std::string::npos) continue;
      ++followed;
      double chosen = 0, evenly = 0;
      ASSERT_EQ(std::sscanf(reason.text.c_str() + at,
                            "as is best for the chain of the slices: a pass takes %lf ms; with the "
                            "streamed ones spread evenly it would take %lf",
                            &chosen, &evenly),
                2);
      EXPECT_LT(chosen, evenly);
      EXPECT_LE(planned->details->planned.simulation.makespan * 1e3, chosen * 1.001);
    }
  }
  EXPECT_GT(followed, 1u);
  EXPECT_GT(streamed, followed);
}

}  // namespace
}  // namespace tinyai
