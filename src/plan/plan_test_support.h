#pragma once

// Graphs of models without data, and plans of them.

#include <string>

#include "graph/build.h"
#include "graph/graph_test_support.h"
#include "gtest/gtest.h"
#include "plan/request.h"

namespace tinyai {

// In the place of kernel/quantized_rows.h, which plan/ does not see: about as long.
inline uint64_t TestQuantizedRowBytes(uint64_t cols) { return (cols * 3 / 2 + 63) / 64 * 64; }

inline Graph MakeGraph(const TestModel& model) {
  const Result<ModelFile> file = model.Read();
  EXPECT_TRUE(file) << Describe(file.error());
  const Result<Graph> graph = BuildGraph(*file, {.quantized_row_bytes = TestQuantizedRowBytes});
  EXPECT_TRUE(graph) << Describe(graph.error());
  return *graph;
}
inline Graph MakeGraph(const TestShape& shape) { return MakeGraph(TestModel(shape)); }

// The shape of an 8B model of the llama family.
inline TestShape EightB() {
  return {.width = 4096,
          .layers = 32,
          .feed_forward = 14336,
          .heads = 32,
          .kv_heads = 8,
          .vocabulary = 128256,
          .context = 8192,
          .type = DType::kQ4_0,
          .embedding_type = DType::kQ4_0};
}

inline uint64_t LeastBudget(const Graph& graph, PlanRequest request) {
  const Result<Planned> least = CompileLeast(graph, request);
  EXPECT_TRUE(least) << Describe(least.error());
  return least ? least->report.least_budget_bytes : 0;
}

}  // namespace tinyai
