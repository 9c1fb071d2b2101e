#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/machine.h"
#include "base/result.h"
#include "graph/bands.h"
#include "graph/graph.h"
#include "lang/diagnostics.h"
#include "plan/plan.h"
#include "plan/request.h"

namespace tinyai {

// What a plan was made for, besides the model: elsewhere it would be another one.
struct PlanPurpose {
  uint64_t budget_bytes = 0;  // for everything
  std::string machine;        // CPU, number of CPUs, instruction set: one line of text
  Rates rates;                // a file has those by which ring and chunk were chosen

  bool operator==(const PlanPurpose&) const = default;
};

struct SavedPlan {
  Plan plan;
  PlanPurpose purpose;
  std::vector<GraphChange> changes = {};  // of a layer graph, that made the plan's of the model's
};

// The plan as text in the scheduling language, offsets and all: docs/plan.md, "The text". One block
// per run of steps of a queue, in an order in which they may be issued. ReadPlan gives the same
// plan again, with its fences numbered by queue and step, and rates in whole bytes and nanoseconds.
// Every fence and buffer that the plan names must exist; beyond that it need not be one that
// CheckPlan accepts. `graph` is the one that the plan carries out, `changes` what made it of the
// model's.
std::string WritePlan(const Graph& graph, const Plan& plan, const PlanPurpose& purpose,
                      std::span<const GraphChange> changes = {});

// The changes that a plan's text names, for the graph to be there when the rest is read. Mistakes
// are left out: they are ReadPlan's to report.
std::vector<GraphChange> ReadChanges(const SourceText& source);

// The plan that the source of `diagnostics` holds, accepted by CheckPlan. All mistakes go to
// `diagnostics`; the error is the first of them, and says that the plan can be made again:
// - SCHEDULE_SYNTAX: this is no schedule;
// - PLAN_MISMATCH: a plan of another version, or for another model;
// - PLAN_INVALID: it has something that no plan has, lacks something, is refused by the checker, or
//   was changed after its seal.
Result<SavedPlan> ReadPlan(const Graph& graph, Diagnostics& diagnostics);

// Whether a plan that was made for another occasion will do `here`, for this request. Error
// PLAN_MISMATCH naming the field, what the plan was made for, what is here, and what would do:
// machine, a rate that is another one, budget, workers, context, cache types, chunk, blocks of the
// disk, or more memory than the budget.
Status CheckPlanSuits(const SavedPlan& saved, const PlanPurpose& here, const PlanRequest& request);

}  // namespace tinyai
