#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "engine/model.h"
#include "graph/bands.h"
#include "plan/request.h"

namespace tinyai {

// What the plan of a layer graph carries out: the model's graph, changed so that it fits.
struct SessionGraph {
  Graph graph;
  std::vector<GraphChange> changes;
  double recompute_ratio = 1;  // multiplications over those of the model's graph
};

struct PlannedLayers {
  Planned planned;
  std::shared_ptr<const SessionGraph> graph;
};

using WishesOfGraph = std::function<Result<ModelWishes>(const Graph& graph)>;

// What a pass over one sample takes from and gives to whoever asks for it.
uint64_t InputBytes(const Graph& graph);

// The pass of a layer graph that makes the most of the request, over as many samples as its chunk
// says. Where outputs do not fit, layers are computed in bands, and outputs computed again or put
// away on the disk. `wishes`: of a schedule, in terms of whatever graph comes of that; may be
// empty. Errors: those of PlanForward, with the least budget of all that may be done.
Result<PlannedLayers> PlanLayers(const Model& model, const PlanRequest& request,
                                 const WishesOfGraph& wishes);
// The one that takes the least memory, whatever the budget. Its least budget has room to plan in,
// too.
Result<PlannedLayers> PlanLeastLayers(const Model& model, const PlanRequest& request,
                                      const WishesOfGraph& wishes);

// The largest chunk of at most `most` for which there is a plan; `request_for` says what a plan for
// it is asked for. 0: for none.
uint64_t LargestLayersBatch(const Model& model, uint64_t most,
                            const std::function<PlanRequest(uint64_t batch)>& request_for,
                            const WishesOfGraph& wishes);

// The graph of a plan that was made before, by its changes; error PLAN_MISMATCH where they cannot
// be made, since it is of another model.
Result<std::shared_ptr<const SessionGraph>> ChangedGraph(const Model& model,
                                                         const std::vector<GraphChange>& changes);
// What is held for the graph of such a plan, as PlanLayers counts it.
Component HeldFor(const SessionGraph& graph);

}  // namespace tinyai
