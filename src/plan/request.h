#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/machine.h"
#include "base/result.h"
#include "graph/graph.h"
#include "plan/plan.h"

namespace tinyai {

// Bytes a process holds, by what for.
struct Component {
  std::string name;
  uint64_t bytes;
  bool held_by_arena = false;  // a part of the arena; the others are held besides
  bool of_model = false;       // shared by all sessions of a model
};

// What a plan is to be made for.
struct PlanRequest {
  uint64_t budget_bytes = 0;  // for everything
  // What is held besides the arena whatever the plan: program, tokenizer, stacks, logits...
  std::vector<Component> fixed;
  uint32_t workers = 1;
  uint64_t context = 512;
  DType key_type = DType::kF16;
  DType value_type = DType::kF16;
  uint64_t chunk = 0;  // tokens of the prompt per pass; 0: chosen
  uint64_t io_alignment = 4096;
  uint64_t page_bytes = 4096;
  // What the system takes to map the arena, per byte of it, as a fraction 1/n: page tables.
  uint64_t page_table_divisor = 512;
  Rates rates;
  bool details = false;  // also what plan/details.h shows to people
};

struct PlanReport {
  uint64_t least_budget_bytes = 0;
  uint64_t pass_bytes = 0;  // M
  uint64_t predicted_peak_bytes = 0;
  double predicted_tokens_per_second = 0;
  double compute_seconds_per_token = 0;
  double disk_seconds_per_token = 0;
  std::vector<Component> components;  // add up to predicted_peak_bytes
};

struct PlanDetails;  // plan/details.h

struct Planned {
  Plan plan;
  PlanReport report;
  std::shared_ptr<const PlanDetails> details;  // if they were asked for
};

// The plan of the least budget with which the request can work, whatever its own budget.
Result<Planned> CompileLeast(const Graph& graph, const PlanRequest& request);

// The plan that makes the most of the budget. Error BUDGET_INFEASIBLE (exit 4) naming the least
// budget that works and what it is for.
Result<Planned> CompilePlan(const Graph& graph, const PlanRequest& request);

// What a plan that CheckPlanSuits accepted for the request needs and will do. The least budget is
// that of this very plan.
PlanReport ReportPlan(const Graph& graph, const PlanRequest& request, const Plan& plan);

}  // namespace tinyai
