#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "graph/graph.h"
#include "kernel/matmul.h"
#include "plan/plan.h"
#include "run/pass.h"

namespace tinyai {

// One worker's part in a step of a layer graph. Whoever is free takes the next piece; however an op
// is divided into pieces, slices and workers, its result has the same bits.
struct LayerJob {
  const Graph& graph;
  const Plan& plan;
  const step::Run& run;
  const Pass& pass;
  std::byte* arena;
  std::atomic<uint32_t>& next_piece;  // of the step, not taken yet
  std::span<std::byte> scratch;       // this worker's own
  const Tiling& tiling;               // of products

  const Op& op() const { return graph.ops[Index(run.op)]; }
  const Shape& shape(size_t in) const { return graph.value(op().ins[in]).shape; }
  const Shape& out_shape() const { return graph.value(*op().out).shape; }
  uint64_t size(size_t in) const { return graph.value(op().ins[in]).width; }
  uint64_t out_size() const { return graph.value(*op().out).width; }
  // Of one sample of the batch.
  const float* in(size_t index, uint64_t sample) const { return Data(op().ins[index], sample); }
  float* out(uint64_t sample) const { return Data(*op().out, sample); }
  // A weight that lies whole in memory.
  const std::byte* weight(size_t index) const {
    return arena + *plan.weight_offsets[Index(op().weights[index])];
  }
  // A vector; empty if there is none.
  std::span<const float> vector(size_t index) const {
    if (index >= op().weights.size()) return {};
    return {reinterpret_cast<const float*>(weight(index)), graph.weight(op().weights[index]).cols};
  }

 private:
  float* Data(ValueId id, uint64_t sample) const {
    const uint64_t offset = plan.buffer(plan.value_buffers[Index(id)]).offset;
    return reinterpret_cast<float*>(arena + offset + sample * graph.value(id).row_bytes);
  }
};

void RunLayerOp(const LayerJob& job);

// Scratch bytes that each worker needs for an op of a layer graph.
uint64_t ScratchBytes(const Graph& graph, const Op& op);

}  // namespace tinyai
