#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/machine.h"
#include "base/result.h"
#include "graph/graph.h"
#include "plan/model_wishes.h"
#include "plan/plan.h"
#include "solve/search_limits.h"

namespace tinyai {

struct Costs;

// Bytes a process holds, by what for.
struct Component {
  std::string name;
  uint64_t bytes;
  bool held_by_arena = false;  // a part of the arena; the others are held besides
  bool of_model = false;       // shared by all sessions of a model
};

// What the memory is used for.
enum class PlanMode : uint8_t {
  kAdaptive,         // the fastest that fits
  kNormal,           // every weight stays, prompts in chunks of full speed
  kMemoryOptimised,  // the same chunks, but weights go through the least ring
  kStreaming,        // the prompt too goes through in the least pieces: the least memory at all
};
std::string_view Name(PlanMode mode);  // "adaptive", "normal", "memory", "streaming"

// A device beside the CPU, with a memory of its own, as a device file describes it. It computes
// what the wishes put there.
struct RequestDevice {
  // A way between the two memories.
  struct Way {
    double latency_seconds = 0;
    double bytes_per_second = 1;
    double Seconds(uint64_t bytes) const {
      return latency_seconds + static_cast<double>(bytes) / bytes_per_second;
    }
  };
  std::string name;  // of the place
  std::string memory;
  uint64_t memory_bytes = ~uint64_t{0};
  uint64_t alignment = 1;
  Way to, from;
  // How fast its ops are: as the costs have it for `product` and `activation` there, else by rates
  // of its own. Of the costs its fences and syncs are, too; else each sync is a meeting.
  Rates rates;
  std::shared_ptr<const Costs> costs;  // null: none
};

// What a plan is to be made for.
struct PlanRequest {
  uint64_t budget_bytes = 0;  // for everything
  // What is held besides the arena whatever the plan: program, tokenizer, stacks, logits...
  std::vector<Component> fixed;
  uint32_t workers = 1;
  uint64_t resident_bytes = ~uint64_t{0};  // most that weights which stay may take
  uint64_t context = 512;
  DType key_type = DType::kF16;
  DType value_type = DType::kF16;
  uint64_t chunk = 0;  // tokens of the prompt per pass; 0: chosen
  PlanMode mode = PlanMode::kAdaptive;
  double speed = 1;  // kAdaptive: 1: as fast as fits .. 0: as little memory as works
  uint64_t io_alignment = 4096;
  uint64_t page_bytes = 4096;
  // What the system takes to map the arena, per byte of it, as a fraction 1/n: page tables.
  uint64_t page_table_divisor = 512;
  Rates rates;
  bool in_place = true;  // results may take the place of an operand that nothing needs any more
  // The ops of a layer follow each other, in the order that they have in the graph.
  bool whole_layers = false;
  // The budget is for the arena: neither what the system takes to map it nor the plan itself count.
  bool arena_only = false;
  const ModelWishes* wishes = nullptr;  // if there are some; outlives the planning
  std::optional<RequestDevice> device;
  // How long to look for a better order and for what is better kept. With a deadline two plans of
  // the same request can differ.
  SearchLimits limits;
  bool details = false;  // also what plan/details.h shows to people
};

struct PlanReport {
  uint64_t least_budget_bytes = 0;
  uint64_t pass_bytes = 0;  // M
  uint64_t predicted_peak_bytes = 0;
  double predicted_tokens_per_second = 0;
  double compute_seconds_per_token = 0;
  double disk_seconds_per_token = 0;
  double stall_seconds_per_token = 0;  // the computation waits for the disk
  uint64_t syncs = 0, fences = 0;      // of a pass
  uint64_t spilled_bytes = 0;          // that a pass writes to the scratch file
  uint64_t fetched_bytes = 0;          // and reads from there
  uint64_t arena_least_bytes = 0;      // no arena with this order and what stays is smaller
  uint64_t largest_chunk = 0;          // that fits the budget; with `details` only
  std::vector<Component> components;   // add up to predicted_peak_bytes
};

struct PlanDetails;  // plan/details.h

// Whether an op is put on the request's device.
inline bool IsOnDevice(const PlanRequest& request, OpId op) {
  return request.device && request.wishes != nullptr && !request.wishes->on_device.empty() &&
         request.wishes->on_device[Index(op)];
}

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
