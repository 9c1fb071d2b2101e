#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "plan/compile_net.h"
#include "plan/draft.h"
#include "plan/net_plan.h"
#include "plan/task_net.h"
#include "solve/chain.h"

namespace tinyai {

inline constexpr uint64_t kCacheLine = 64;
// Of an arena's buffers: they share no cache line; where some are written to disk, no block.
uint64_t BufferAlignment(const Graph& graph, const PlanRequest& request);

// One pass of a model as a task net: the body of a loop whose iterations are passes. CPU computes,
// DISK reads weights, DISK.rows reads the embedding rows of the chunk's tokens; all three work in
// one memory. Region 1 holds what passes without logits leave out. Slices that stay are made once;
// streamed ones are made in every pass, in the slots of the ring. A device is one more place, which
// computes in a memory of its own and moves values between the two; DISK reads its weights to
// there. Where the graph spills, DISK.spill takes values to a second memory, the scratch file, and
// back.
struct ModelNet {
  TaskNet net;
  std::vector<StepWork> work;  // by op of the net

  // Where the lowering finds the net's values again.
  std::vector<NetValueId> values;  // by ValueId of the graph: in the memory of its maker
  std::vector<std::optional<NetValueId>>
      moved;                       // by ValueId: in the other memory, if it gets there
  std::vector<NetValueId> caches;  // by layer
  std::vector<NetValueId> scores;  // by worker
  NetValueId rope{};
  std::optional<NetValueId> device_scores, device_rope;
  std::optional<NetValueId> staging;
  uint64_t ring_offset = 0;  // of the first slot

  uint64_t resident_bytes = 0, streamed_bytes = 0, streamed_read_bytes = 0, once_read_bytes = 0;
};

// With the draft's slices, sizes and residency; `resident_bytes` of arena are taken by what stays.
// The costs are those of a pass over `tokens` tokens, by the request's rates.
ModelNet BuildModelNet(const PlanDraft& draft, uint64_t resident_bytes, uint64_t tokens = 1);

// The same without weights: what lies in memory besides them, ring included.
ModelNet BuildModelNetWithoutWeights(const PlanDraft& draft);

// Bytes that the embedding row of one token takes as read from disk: whole blocks, whatever its
// place in them. 0 if no op takes rows.
uint64_t StagingStride(const Graph& graph, uint64_t block);

// The slices of a pass as a chain of weights, each with its share of what is computed; memory: what
// stays and the ring. And how near to the best choice for it a pass of so many seconds is, as a
// reason; nothing where the schedule has wishes.
ChainProblem ResidencyChain(const PlanDraft& draft, const ModelNet& model, uint64_t resident_bytes);
// The request's limits for such a chain: with normal effort one of more than `most_searched` ops is
// not searched.
SearchLimits LimitsFor(const PlanRequest& request, const ChainProblem& chain, size_t most_searched);
void ExplainResidency(const PlanDraft& draft, const ModelNet& model, uint64_t resident_bytes,
                      double pass_seconds, Reasons& reasons);

// A draft with another choice of what stays and of the slots of the ring, for which the chain is
// so long.
struct ResidencyChoice {
  PlanDraft draft;
  uint64_t resident_bytes = 0;
  double chain_seconds = 0;
};
// The best choice found for the chain, if a pass of so many seconds is clearly longer: with what
// stays and the ring in the bytes that `resident_room` and the ring of the draft take together.
std::optional<ResidencyChoice> ChooseByChain(const PlanDraft& draft, const ModelNet& model,
                                             uint64_t resident_room, double pass_seconds);

// The executable plan of a planned net: one step for each command, with the same fences and syncs.
// Only `joins` are still missing.
Plan LowerPlan(const PlanDraft& draft, const ModelNet& model, const NetPlan& plan);

// What a plan takes; and how fast its simulation says that it will be.
PlanReport ReportOn(const Graph& graph, const PlanRequest& request, const Plan& plan);
void ReportSpeed(const Simulation& simulation, PlanReport& report);

}  // namespace tinyai
