#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/budget.h"
#include "base/machine.h"
#include "base/result.h"
#include "engine/model.h"
#include "engine/session_layers.h"
#include "lang/diagnostics.h"
#include "plan/plan_file.h"
#include "plan/request.h"

namespace tinyai {

// So many samples at most does a pass of a layer graph have.
inline constexpr uint64_t kMostBatch = uint64_t{1} << 16;

struct SessionOptions {
  std::optional<uint64_t> memory_bytes;  // for everything the process holds; none: what is free
  uint64_t shared_bytes = Budget::kUnlimited;  // what is left for it of what others hold too
  uint64_t context = 0;                        // tokens; 0: as trained, at most kDefaultContext
  uint32_t threads = 0;                        // 0: one per core
  DType key_type = DType::kF16;                // of the cache: F16, Q8_0 or F32
  DType value_type = DType::kF16;
  uint64_t chunk = 0;                   // prompt tokens per pass; 0: chosen
  std::optional<uint64_t> batch;        // of a layer graph: samples per pass; none: 1; 0: the most
  uint64_t most_batch = kMostBatch;     // that a batch of 0 may become
  std::optional<RequestDevice> device;  // that a schedule may put ops on
  PlanMode mode = PlanMode::kAdaptive;
  double speed = 1;  // kAdaptive: 1: as fast as fits .. 0: as little memory as works
  IoPath io_path = IoPath::kAuto;
  std::chrono::nanoseconds io_timeout = std::chrono::seconds(60);
  std::vector<uint32_t> cpus;  // for the compute threads; empty: one per core
  // Starts with the least plan even where the budget or the cgroup is smaller than that. The budget
  // still holds, so this fails when it would be passed: it shows that the least is no padding.
  bool force = false;
  SearchLimits limits;       // how long to look for a better plan
  bool details = false;      // SessionPlan::details too
  uint64_t trace_bytes = 0;  // to keep what ran when in, until Session::Stop; 0: nothing is kept
};

inline constexpr uint64_t kDefaultContext = 4096;

// A plan for a model in a budget, with everything that decided it.
struct SessionPlan {
  SessionOptions options;  // with the choices filled in
  uint64_t budget_bytes = 0;
  std::vector<std::string> notes;              // what was lowered or clamped, for the user
  bool adopted = false;                        // made before; it is carried out as it is
  std::shared_ptr<const ModelWishes> wishes;   // of a schedule, if there was one
  std::shared_ptr<const SessionGraph> layers;  // of a layer graph: what the plan carries out
  Plan plan;
  PlanPurpose purpose;  // of the plan, for its file; the records of a trace are besides its budget
  PlanReport report;
  std::shared_ptr<const PlanDetails> details;  // for people; drop it before a run
  uint64_t largest_batch = 0;  // of a layer graph, that fits; with `options.details` only

  // That the plan is of.
  const Graph& GraphOf(const Model& model) const { return layers ? layers->graph : model.graph(); }
};

// Plans a session, of texts or of a layer graph; reads no weights. `machine` says what is free and
// how fast it is. Errors: BUDGET_INFEASIBLE (exit 4), BAD_OPTION (usage).
Result<SessionPlan> PlanSession(const Model& model, const SessionOptions& options,
                                const Machine& machine);

// The same, as far as the source of `schedule` leaves it open: docs/schedule.md, "Schedules for
// models". The mistakes of the schedule go there. Errors besides: those of ResolveSchedule and
// ExplainFailure.
Result<SessionPlan> PlanScheduledSession(const Model& model, const SessionOptions& options,
                                         const Machine& machine, Diagnostics& schedule);

// The plan of this model that the source of `diagnostics` holds. Errors: those of ReadPlan.
Result<SavedPlan> ReadSessionPlan(const Model& model, Diagnostics& diagnostics);

// The session's plan as text that ReadSessionPlan reads.
std::string WriteSessionPlan(const Model& model, const SessionPlan& session);

// The session of a plan that was made before. A budget, context or chunk that `options` leaves open
// is as in the plan (`options.context` 0); the records of a trace come on top of the plan's budget.
// Errors: PLAN_MISMATCH naming what the plan was not made for, or less memory that is free than it
// needs; those of PlanSession.
Result<SessionPlan> AdoptPlan(const Model& model, const SessionOptions& options,
                              const Machine& machine, SavedPlan saved);

// The session planned again with other rates, in no more memory than `before` and an arena of at
// most so many bytes; what `before` says otherwise stays. Errors: those of PlanSession.
Result<SessionPlan> PlanAgain(const Model& model, const SessionPlan& before, const Rates& rates,
                              uint64_t most_arena_bytes);

// What a session's plan will do with other rates.
void Reconsider(const Model& model, const Rates& rates, SessionPlan& session);

// The same for the least budget that works with these options, whatever the budget.
Result<SessionPlan> PlanLeastSession(const Model& model, const SessionOptions& options,
                                     const Machine& machine);
}  // namespace tinyai
