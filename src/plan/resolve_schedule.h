#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "graph/graph.h"
#include "lang/diagnostics.h"
#include "plan/model_wishes.h"
#include "plan/request.h"

namespace tinyai {

// A schedule for a model, as wishes, and where it says what may be too much for the memory.
struct ResolvedSchedule {
  ModelWishes wishes;
  struct Pin {
    Span where;
    std::string name;
  };
  std::vector<Pin> pins;
  std::optional<Span> reads_ahead;  // the first that says so
  std::optional<Span> budget;
  std::optional<Span> on_device;  // the first op that is put there
};

// Reads the source of `diagnostics` as a schedule for this model; docs/schedule.md, "Schedules for
// models". `device`: what there is besides CPU, if there is something; it outlives the call.
// All mistakes go to `diagnostics`; the error has the key of the first: SCHEDULE_SYNTAX,
// SCHEDULE_UNKNOWN, SCHEDULE_AMBIGUOUS or SCHEDULE_IMPOSSIBLE (exit 7).
Result<ResolvedSchedule> ResolveSchedule(const Graph& graph, Diagnostics& diagnostics,
                                         const RequestDevice* device = nullptr);

// Whether the source is a whole plan, for ReadPlan, and not wishes.
bool IsWholePlan(const Diagnostics& diagnostics);

// Why a plan with these wishes failed: BUDGET_INFEASIBLE becomes SCHEDULE_IMPOSSIBLE, with its
// place, where the memory would do but for a pin, for reading ahead or for the schedule's own
// budget. `memory_bytes` is what there is without the latter.
Error ExplainFailure(const Graph& graph, const PlanRequest& request,
                     const ResolvedSchedule& schedule, uint64_t memory_bytes, Error error,
                     Diagnostics& diagnostics);

// The key that the error of a schedule has, by the code of the diagnostic.
std::string_view ScheduleKey(std::string_view code);

}  // namespace tinyai
