#include "engine/session_layers.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "base/units.h"
#include "engine/forward_plan.h"
#include "fmt/format.h"
#include "graph/changes.h"
#include "plan/plan_names.h"
#include "plan/sizing.h"

namespace tinyai {
namespace {

// Of the graph that is carried out: an op with its value and their names (measured, rounded up).
constexpr uint64_t kBytesPerOp = 768;

// Held for each op of the model's graph while a pass is planned, before the arena is: copies of the
// graph, its net and what is known of that (measured on 8193 ops, rounded up).
constexpr uint64_t kPlanningBytesPerOp = 2560;

uint64_t PlanningNeed(const Model& model, const PlanRequest& request) {
  return RoundUp(FixedBytes(request) + model.graph().ops.size() * kPlanningBytesPerOp,
                 request.page_bytes);
}

ForwardOptions OptionsOf(const PlanRequest& request) {
  ForwardOptions options;
  options.mode = request.mode;
  options.batch = request.chunk;
  options.keeps_all = false;
  options.recompute = true;
  options.spill = !request.device;  // no plan has both
  return options;
}

ForwardRequest RequestOf(const PlanRequest& request, const WishesOfGraph& wishes) {
  return {.base = request, .wishes = wishes, .thorough = true, .bytes_per_op = kBytesPerOp};
}

PlannedLayers Take(ForwardPlan plan) {
  auto graph = std::make_shared<SessionGraph>();
  graph->graph = std::move(*plan.graph);
  graph->changes = std::move(plan.changes);
  graph->recompute_ratio = plan.recompute_ratio;
  return {{std::move(plan.plan), std::move(plan.report), std::move(plan.details)},
          std::move(graph)};
}

// Only what planning looks at.
ForwardModel ForPlanning(const Model& model) { return {nullptr, &model.graph(), nullptr, {}}; }

// Whether there is memory to plan in.
Status CheckPlanning(const Model& model, const PlanRequest& request, const WishesOfGraph& wishes) {
  if (request.budget_bytes >= PlanningNeed(model, request)) return {};
  TRY_ASSIGN(const PlannedLayers least, PlanLeastLayers(model, request, wishes));
  const uint64_t need = least.planned.report.least_budget_bytes;
  return Fail(
      ErrorCode::kBudget, "BUDGET_INFEASIBLE",
      fmt::format("a budget of {} ({} bytes) cannot work; need={} ({}) for a graph of {} ops",
                  FormatByteSize(request.budget_bytes), request.budget_bytes, need,
                  FormatByteSize(need), model.graph().ops.size()));
}

}  // namespace

uint64_t InputBytes(const Graph& graph) {
  uint64_t bytes = 0;
  for (const ValueId id : graph.inputs) bytes += graph.value(id).width * sizeof(float);
  return bytes;
}

Result<PlannedLayers> PlanLeastLayers(const Model& model, const PlanRequest& request,
                                      const WishesOfGraph& wishes) {
  TRY_ASSIGN(ForwardPlan plan,
             PlanLeastForward(ForPlanning(model), OptionsOf(request), RequestOf(request, wishes)));
  uint64_t& least = plan.report.least_budget_bytes;
  least = std::max(least, PlanningNeed(model, request));
  return Take(std::move(plan));
}

// A speed below 1 takes a part of the memory between the least and what the fastest plan takes.
Result<PlannedLayers> PlanLayers(const Model& model, const PlanRequest& request,
                                 const WishesOfGraph& wishes) {
  TRY(CheckPlanning(model, request, wishes));
  const ForwardOptions options = OptionsOf(request);
  ForwardRequest asked = RequestOf(request, wishes);
  asked.base.speed = 1;
  TRY_ASSIGN(ForwardPlan plan, PlanForward(ForPlanning(model), options, asked));
  uint64_t least_bytes = 0;
  if (request.speed < 1 || request.details) {
    TRY_ASSIGN(const PlannedLayers least, PlanLeastLayers(model, asked.base, wishes));
    least_bytes = least.planned.report.least_budget_bytes;
  }
  if (const uint64_t most = plan.report.predicted_peak_bytes;
      request.speed < 1 && most > least_bytes) {
    asked.base.budget_bytes =
        least_bytes +
        static_cast<uint64_t>(static_cast<double>(most - least_bytes) * request.speed);
    TRY_ASSIGN(plan, PlanForward(ForPlanning(model), options, asked));
  }
  if (request.details) plan.report.least_budget_bytes = least_bytes;
  return Take(std::move(plan));
}

uint64_t LargestLayersBatch(const Model& model, uint64_t most,
                            const std::function<PlanRequest(uint64_t batch)>& request_for,
                            const WishesOfGraph& wishes) {
  return LargestThatFits(most, [&](uint64_t batch) {
    ForwardRequest request = RequestOf(request_for(batch), wishes);
    request.thorough = false;
    request.base.details = false;
    if (request.base.budget_bytes < PlanningNeed(model, request.base)) return false;
    return PlanForward(ForPlanning(model), OptionsOf(request.base), request).has_value();
  });
}

Result<std::shared_ptr<const SessionGraph>> ChangedGraph(const Model& model,
                                                         const std::vector<GraphChange>& changes) {
  Result<BandedGraph> changed = ApplyChanges(model.graph(), changes);
  if (!changed) {
    return Fail(
        ErrorCode::kSchedule, "PLAN_MISMATCH",
        fmt::format("a plan for another model: {}; {}", changed.error().message, kMakePlanAgain));
  }
  auto out = std::make_shared<SessionGraph>();
  const double once = Multiplications(model.graph());
  if (once != 0) out->recompute_ratio = Multiplications(changed->graph) / once;
  out->graph = std::move(changed->graph);
  out->changes = std::move(changed->changes);
  SetScratchBytes(out->graph);
  return std::shared_ptr<const SessionGraph>(std::move(out));
}

Component HeldFor(const SessionGraph& graph) {
  return {"graph", graph.graph.ops.size() * kBytesPerOp};
}

}  // namespace tinyai
