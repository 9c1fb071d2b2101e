#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "base/machine.h"
#include "base/result.h"
#include "engine/model.h"
#include "graph/bands.h"
#include "graph/rewire.h"
#include "kernel/matmul.h"
#include "os/read_queue.h"
#include "plan/request.h"

namespace tinyai {

// What a forward pass is made of: a graph and the files that its weights lie in. A model itself, or
// one whose weights lie elsewhere by now.
struct ForwardModel {
  std::shared_ptr<const void> owner;  // of all that follows
  const Graph* graph = nullptr;
  const RopeFrequencies* rope = nullptr;
  // Reads its files with up to so many requests at once.
  std::function<Result<std::unique_ptr<ReadQueue>>(uint32_t depth)> open_queue;

  static ForwardModel Of(std::shared_ptr<const Model> model);
};

struct ForwardOptions {
  std::vector<WiredLayer> layers;  // of the graph, as they depend on each other; empty: its own
  // kNormal: every weight and every layer's output stay. kMemoryOptimised: weights come when they
  // are needed, outputs go when nobody needs them any more, the order is that of least memory.
  // kStreaming: large maps are computed in bands too. kAdaptive: the fastest of these that fits.
  PlanMode mode = PlanMode::kAdaptive;
  uint64_t memory_bytes = 0;  // for weights, activations and workspace; 0: what the machine has
  uint64_t resident_bytes = ~uint64_t{0};  // of those, for weights that stay
  uint64_t activation_bytes = 0;           // of those, for activations; 0: no limit of their own
  bool in_place = true;                    // results may be written over an operand
  uint64_t batch = 1;                      // samples of a pass
  std::vector<uint32_t> kept;      // layers whose outputs stay to the end; those of sinks do anyhow
  std::vector<uint32_t> not_kept;  // layers whose outputs kNormal need not keep
  bool keeps_all = true;           // kNormal keeps the others; else none but those of `kept`
  bool bands = true;               // kStreaming may compute maps in bands
  // Where outputs do not fit, some are not kept until their next reader but computed again for it.
  bool recompute = false;
  std::vector<uint32_t> recomputed;  // layers for which that is done in any case
  // The same, by writing them to a scratch file (os/scratch_file.h) and reading them back; of both,
  // what takes less time by the machine's rates.
  bool spill = false;
  std::vector<uint32_t> spilled;  // layers for which that is done in any case
  uint32_t threads = 0;           // 0: one per core
  uint64_t context = 0;           // of a text model; 0: as trained, at most 4096
  Tiling tiling;                  // of products
};

// What a pass is planned for besides.
struct ForwardRequest {
  // Budget, workers, what is held besides the arena, rates, device, details. The rest follows from
  // the options.
  PlanRequest base;
  // What a schedule wants, in terms of a graph that the model's was changed into; an error where it
  // cannot be said of that one. Empty: there is no schedule.
  std::function<Result<ModelWishes>(const Graph& graph)> wishes;
  // Looks further, which takes longer: a pass that does not fit is refused with the least budget of
  // all ways there are. And kAdaptive stays what it was asked for.
  bool thorough = false;
  // Held for each op of the graph that is carried out, besides the model's own.
  uint64_t bytes_per_op = 0;
};

// A pass that is planned: nothing is allocated or read so far.
struct ForwardPlan {
  ForwardOptions options;
  std::unique_ptr<Graph> graph;
  std::vector<LayerGroup> groups;     // by layer of `graph`: which of the model's layers it is
  std::vector<GraphChange> changes;   // that made `graph` of the model's
  PlanMode mode = PlanMode::kNormal;  // what kAdaptive chose; else as asked for
  Plan plan;
  PlanReport report;
  std::shared_ptr<const PlanDetails> details;  // if they were asked for
  // Multiplications of all products over those that there would be without bands.
  double recompute_ratio = 1;

  // Where the highest buffer ends.
  uint64_t peak_bytes() const;
  // Of all buffers for these purposes; and what lies above those that are not activations.
  uint64_t bytes(std::initializer_list<BufferKind> kinds) const;
  uint64_t activation_bytes() const;
  // Results that are written over an operand.
  uint64_t in_place_count() const;
};

// Errors: GRAPH_DEPENDENCY; BUDGET_INFEASIBLE naming the layer that needs most, the
// bytes needed and the bytes allowed.
Result<ForwardPlan> PlanForward(const ForwardModel& model, const ForwardOptions& options,
                                const Machine& machine);
Result<ForwardPlan> PlanForward(const ForwardModel& model, const ForwardOptions& options,
                                const ForwardRequest& request);

// The pass that takes the least memory of all that the mode may carry out, whatever the budget.
Result<ForwardPlan> PlanLeastForward(const ForwardModel& model, const ForwardOptions& options,
                                     const ForwardRequest& request);

// What every plan of the graph counts on: the scratch memory of its ops.
void SetScratchBytes(Graph& graph);

// The largest number of at most `most` for which `fits` is true, if it is so for all smaller ones;
// 0 if it is not even true for 1.
uint64_t LargestThatFits(uint64_t most, const std::function<bool(uint64_t)>& fits);

// The largest batch of at most `most` whose pass fits the memory beside `bytes_per_sample` that the
// caller holds for each sample; 0 if not even one does.
Result<uint64_t> LargestBatch(const ForwardModel& model, const ForwardOptions& options,
                              const Machine& machine, uint64_t bytes_per_sample, uint64_t most);

}  // namespace tinyai
