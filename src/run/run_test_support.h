#pragma once

// A small model with its bytes in memory, and executors of its plans over fake disks.

#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "format/memory_source.h"
#include "graph/build.h"
#include "gtest/gtest.h"
#include "kernel/quantized_rows.h"
#include "make_model/make_model.h"
#include "os/fake_read_queue.h"
#include "os/testing.h"
#include "plan/request.h"
#include "run/executor.h"

namespace tinyai {

struct SmallModel {
  std::string bytes;
  Graph graph;
  RopeFrequencies rope;
};

// Wide enough for several slices per matrix even in the smallest ring.
inline const SmallModel& TheModel() {
  static const SmallModel model = [] {
    const ScratchDirectory scratch;
    const std::string path = (scratch.path() / "model.gguf").string();
    const Status made = testing_models::MakeModel({.n_embd = 256,
                                                   .n_layer = 2,
                                                   .n_ff = 1536,
                                                   .n_head = 4,
                                                   .n_head_kv = 2,
                                                   .type = DType::kQ8_0,
                                                   .logit_std = 4},
                                                  path);
    EXPECT_TRUE(made) << Describe(made.error());
    SmallModel out;
    std::stringstream bytes;
    bytes << std::ifstream(path, std::ios::binary).rdbuf();
    out.bytes = bytes.str();
    std::vector<std::unique_ptr<ByteSource>> parts;
    const OpenSource none = [](const std::string&) -> Result<std::unique_ptr<ByteSource>> {
      return Fail(ErrorCode::kIo, "OPEN", "no such file");
    };
    const auto file = ReadGguf(
        std::make_unique<MemorySource>(path, std::as_bytes(std::span(out.bytes))), none, parts);
    EXPECT_TRUE(file) << Describe(file.error());
    const auto graph = BuildGraph(*file, {.quantized_row_bytes = QuantizedRowBytes});
    EXPECT_TRUE(graph) << Describe(graph.error());
    out.graph = *graph;
    out.rope = ComputeRopeFrequencies(out.graph.rope, {});
    return out;
  }();
  return model;
}

enum class Memory { kLeast, kHalf, kAll };

struct TestPlan {
  Memory memory = Memory::kLeast;
  uint32_t workers = 2;
  uint64_t chunk = 4;
  uint64_t io_alignment = 4096;
};

inline PlanRequest RequestFor(const TestPlan& wanted) {
  return {.workers = wanted.workers,
          .context = 64,
          .chunk = wanted.chunk,
          .io_alignment = wanted.io_alignment};
}

inline Plan PlanOf(const Graph& graph, PlanRequest request, Memory memory) {
  const Result<Planned> least = CompileLeast(graph, request);
  EXPECT_TRUE(least) << Describe(least.error());
  request.budget_bytes = least->report.least_budget_bytes;
  if (memory == Memory::kHalf) request.budget_bytes += graph.PassBytes() / 2;
  if (memory == Memory::kAll) request.budget_bytes *= 100;
  const Result<Planned> planned = CompilePlan(graph, request);
  EXPECT_TRUE(planned) << Describe(planned.error());
  return planned->plan;
}

inline Plan MakePlan(const TestPlan& wanted) {
  return PlanOf(TheModel().graph, RequestFor(wanted), wanted.memory);
}

// An executor with all that it borrows.
struct TestRun {
  explicit TestRun(const TestPlan& wanted, FakeReadQueueOptions disk_options = {},
                   FakeReadQueueOptions rows_options = {},
                   std::chrono::nanoseconds io_timeout = std::chrono::seconds(60),
                   bool records = false)
      : TestRun(MakePlan(wanted), std::move(disk_options), std::move(rows_options),
                {.io_timeout = io_timeout}, records) {}
  TestRun(Plan the_plan, FakeReadQueueOptions disk_options, FakeReadQueueOptions rows_options,
          ExecutorOptions options, bool records = false)
      : plan(std::move(the_plan)) {
    if (records) recorder = std::make_unique<Recorder>(plan, uint64_t{1} << 20);
    options.recorder = recorder.get();
    disk_options.alignment = rows_options.alignment = plan.io_alignment;
    const std::vector<std::string> files = {TheModel().bytes};
    auto disk_queue = std::make_unique<FakeReadQueue>(files, std::move(disk_options));
    auto rows_queue = std::make_unique<FakeReadQueue>(files, std::move(rows_options));
    disk = disk_queue.get();
    rows = rows_queue.get();
    auto made = Executor::Create(TheModel().graph, plan, TheModel().rope, budget,
                                 std::move(disk_queue), std::move(rows_queue), options);
    EXPECT_TRUE(made) << Describe(made.error());
    executor = std::move(*made);
  }

  // All tokens in chunks of the plan; the logits of the last one.
  Result<std::vector<float>> Feed(const std::vector<int32_t>& tokens) {
    std::span<float> logits;
    for (size_t done = 0; done < tokens.size();) {
      const size_t count = std::min<size_t>(plan.chunk, tokens.size() - done);
      // Its own memory, gone after the pass.
      const std::vector<int32_t> chunk(tokens.begin() + static_cast<ptrdiff_t>(done),
                                       tokens.begin() + static_cast<ptrdiff_t>(done + count));
      done += count;
      TRY_ASSIGN(logits, executor->RunPass({.tokens = chunk,
                                            .position = position,
                                            .wants_logits = done == tokens.size()}));
      position += count;
    }
    return std::vector<float>(logits.begin(), logits.end());
  }

  Plan plan;
  Budget budget{"test", Budget::kUnlimited};
  FakeReadQueue* disk = nullptr;
  FakeReadQueue* rows = nullptr;
  uint64_t position = 0;
  std::unique_ptr<Recorder> recorder;
  std::unique_ptr<Executor> executor;  // last: it borrows from the others
};

}  // namespace tinyai
