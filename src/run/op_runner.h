#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "graph/rope_settings.h"
#include "kernel/matmul.h"
#include "plan/plan.h"
#include "run/pass.h"

namespace tinyai {

// Computes one worker's share of a step. Every division of the work gives the same bits. Rows of
// the chunk always belong to the same worker; the rows of a product are taken in pieces by whoever
// is free, since a core that other work disturbs would hold up the rest.
class OpRunner {
 public:
  // `graph`, `plan` and `arena` outlive this object.
  OpRunner(const Graph& graph, const Plan& plan, RopeFrequencies frequencies, const Tiling& tiling,
           std::byte* arena);

  // Before the workers start a pass: computes the angles of its positions.
  void Prepare(const Pass& pass);

  // Worker `worker` of Plan::workers does its share of CPU step number `step`, which is `run`.
  void Run(size_t step, const step::Run& run, const Pass& pass, uint32_t worker) const;

  // The first layer after which a hidden state was no number, since the last pass that began a
  // context; -1 if none.
  int32_t first_bad_layer() const { return first_bad_layer_.load(std::memory_order_relaxed); }

  std::span<float> Logits() const;
  // Of a float value; what the rows of samples are: one after the other.
  std::span<float> Row(ValueId id, uint64_t row) const;

 private:
  struct Share {
    uint64_t begin, end;
  };
  // What an op works on.
  struct Job {
    const Op& op;
    const step::Run& run;
    std::atomic<uint32_t>& next_piece;  // of a product, not taken yet
    const Pass& pass;
    uint32_t worker;
  };
  std::byte* ValueData(ValueId id) const;
  std::span<float> FloatRow(ValueId id, uint64_t row) const;
  std::span<const float> Vector(WeightId id) const;
  uint64_t RowCount(ValueId id, const Pass& pass) const;
  // Rows of the chunk that belong to the worker in every step that is divided by rows.
  Share RowShare(uint64_t rows, uint32_t worker) const;
  // Rows [begin, end) of a product, counted from the first of the step.
  void Multiply(const Job& job, uint64_t begin, uint64_t end) const;
  std::span<float> OutRow(const Job& job, uint64_t row) const;  // holds ins[0]'s row at first

  void Do(const op::Embed&, const Job& job) const;
  void Do(const op::RmsNorm&, const Job& job) const;
  void Do(const op::Quantize&, const Job& job) const;
  void Do(const op::MatMul&, const Job& job) const;
  void Do(const op::Rope&, const Job& job) const;
  void Do(const op::StoreKv&, const Job& job) const;
  void Do(const op::Attention&, const Job& job) const;
  void Do(const op::SiluMul&, const Job& job) const;
  void Do(const op::Add&, const Job& job) const;
  void Do(const op::TakeLast&, const Job& job) const;
  void Do(const auto&, const Job&) const {}  // ops of layer graphs: run/layer_ops.h

  const Graph& graph_;
  const Plan& plan_;
  std::byte* const arena_;
  const RopeFrequencies frequencies_;
  const Tiling tiling_;                  // of products
  const PlanBuffer* staging_ = nullptr;  // null where the embedding is resident
  uint64_t staging_stride_ = 0;
  mutable std::vector<std::atomic<uint32_t>> next_piece_;  // by CPU step
  mutable std::atomic<int32_t> first_bad_layer_{-1};
};

}  // namespace tinyai
