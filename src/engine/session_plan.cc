#include "engine/session_plan.h"

#include <algorithm>

#include "base/budget.h"
#include "base/checked.h"
#include "base/units.h"
#include "fmt/format.h"
#include "kernel/isa.h"
#include "plan/plan_file.h"
#include "plan/resolve_schedule.h"

namespace tinyai {
namespace {

// Bytes the process holds whatever the model: code and data of the program and its libraries,
// allocator, kernel structures. Measured as VmHWM of a run of a tiny model in a cgroup, less what
// the plan counts (bench/floor.py).
constexpr uint64_t kProgramBytes = 8 * kMiB;
// Touched of each thread's stack, with its kernel stack.
constexpr uint64_t kThreadBytes = 64 * kKiB;
// Sampling sorts (logit, id) pairs of the whole vocabulary.
constexpr uint64_t kSamplerBytesPerToken = 8;
// Without --memory: what is left to others of the memory that is free.
constexpr uint64_t kMarginShare = 16;
constexpr uint64_t kMostThreads = 1024;

tl::unexpected<Error> BadOption(std::string message) {
  return Fail(ErrorCode::kUsage, "BAD_OPTION", std::move(message));
}

bool CanCache(DType type, uint64_t head_dim) {
  return (type == DType::kF16 || type == DType::kF32 || type == DType::kQ8_0) &&
         head_dim % Info(type).block_elements == 0;
}

Status CheckLayerOptions(const SessionOptions& options) {
  if (options.context != 0 || options.chunk != 0) {
    return BadOption("a layer graph has no tokens, so neither context nor tokens per pass");
  }
  if (options.batch.value_or(1) <= kMostBatch) return {};
  return BadOption(fmt::format("a pass has at most {} samples", kMostBatch));
}

Status CheckOptions(const Model& model, const SessionOptions& options) {
  if (!(options.speed >= 0 && options.speed <= 1)) {
    return BadOption("a speed is between 0 (least memory) and 1 (fastest)");
  }
  if (options.speed != 1 && options.mode != PlanMode::kAdaptive) {
    return BadOption(fmt::format("a speed is chosen in mode adaptive, not {}", Name(options.mode)));
  }
  if (!model.is_text()) return CheckLayerOptions(options);
  if (options.batch) return BadOption("a text model has no batch; -ub is for tokens per pass");
  const uint64_t head_dim = model.graph().attention.head_dim;
  for (const DType type : {options.key_type, options.value_type}) {
    if (!CanCache(type, head_dim)) {
      return BadOption(
          fmt::format("a cache of type {} is not possible for heads of {}; use f16, "
                      "f32, or q8_0 where heads are a multiple of 32",
                      Name(type), head_dim));
    }
  }
  return {};
}

// What was asked for, with every choice made; what is changed is noted.
SessionPlan Resolve(const Model& model, const SessionOptions& options, const Machine& machine) {
  SessionPlan out;
  out.options = options;
  out.options.threads = options.threads == 0 ? std::max(1u, machine.threads) : options.threads;
  if (out.options.threads > kMostThreads) {
    out.options.threads = kMostThreads;
    out.notes.push_back(fmt::format("threads lowered to {}", kMostThreads));
  }
  if (!model.is_text()) {
    out.options.batch = options.batch.value_or(1);
  } else if (options.context == 0) {
    out.options.context = std::min(model.graph().context, kDefaultContext);
  } else if (options.context > model.graph().context) {
    out.notes.push_back(fmt::format("context {} is longer than the {} the model was trained for",
                                    options.context, model.graph().context));
  }
  const uint64_t free = machine.available_bytes;
  out.budget_bytes =
      std::min(options.memory_bytes.value_or(free - free / kMarginShare), options.shared_bytes);
  return out;
}

// Bytes held besides the arena, whatever the plan. The samples of a layer graph are given in
// memory.
std::vector<Component> FixedParts(const Model& model, const SessionOptions& options) {
  const bool text = model.is_text();
  const uint64_t tokenizer = text ? model.tokenizer().memory_bytes() : 0;
  std::vector<Component> fixed = {{"program", kProgramBytes}};
  if (text) fixed.push_back({"tokenizer", tokenizer, false, true});
  fixed.push_back({"model header", model.memory_bytes() - tokenizer, false, true});
  fixed.push_back({"threads", (options.threads + (options.device ? 2 : 1)) * kThreadBytes});
  if (text) {
    fixed.push_back({"sampler", model.graph().vocabulary * kSamplerBytesPerToken});
  } else {
    fixed.push_back({"inputs", options.batch.value_or(1) * InputBytes(model.graph())});
  }
  if (const uint64_t bytes = model.checker_bytes(); bytes != 0) {
    fixed.push_back({"checksums", bytes});
  }
  if (options.trace_bytes != 0) fixed.push_back({"trace", options.trace_bytes});
  return fixed;
}

// A thread stands for a device: its share of what all threads reach together.
Rates RatesOfAThread(const Machine& machine) {
  Rates out = machine.rates;
  const double threads = std::max(1u, machine.threads);
  out.memory_bytes_per_second /= threads;
  out.product_bytes_per_second /= threads;
  out.compute_macs_per_second /= threads;
  return out;
}

PlanRequest RequestFor(const Model& model, const SessionPlan& session, const Machine& machine,
                       const ModelWishes* wishes = nullptr) {
  const SessionOptions& options = session.options;
  PlanRequest request;
  request.budget_bytes = session.budget_bytes;
  request.fixed = FixedParts(model, options);
  if (session.layers) request.fixed.push_back(HeldFor(*session.layers));
  request.workers = options.threads;
  request.context = options.context;
  request.key_type = options.key_type;
  request.value_type = options.value_type;
  request.chunk = options.chunk;
  if (!model.is_text()) request.context = request.chunk = options.batch.value_or(1);
  request.mode = options.mode;
  request.speed = options.speed;
  request.rates = machine.rates;
  request.device = options.device;
  if (request.device) request.device->rates = RatesOfAThread(machine);
  request.limits = options.limits;
  request.details = options.details;
  request.wishes = wishes;
  return request;
}

// A context nobody asked for shrinks until the plan works.
Result<Planned> CompileWithDefaultContext(const Model& model, SessionPlan& session,
                                          const Machine& machine, const ModelWishes* wishes) {
  const std::vector<std::string> notes = session.notes;
  for (;;) {
    Result<Planned> planned =
        CompilePlan(model.graph(), RequestFor(model, session, machine, wishes));
    if (planned || session.options.context <= 256) return planned;
    session.options.context /= 2;
    session.notes = notes;
    session.notes.push_back(
        fmt::format("context lowered to {} to fit the budget", session.options.context));
  }
}

Status CheckCgroup(const SessionPlan& session, const Machine& machine) {
  const uint64_t limit = machine.cgroup_limit_bytes;
  if (limit == 0 || !session.options.memory_bytes || session.options.force ||
      session.budget_bytes <= limit) {
    return {};
  }
  return Fail(
      ErrorCode::kBudget, "BUDGET_OVER_LIMIT",
      fmt::format("the budget of {} ({} bytes) is more than the {} that this process's cgroup may "
                  "hold; use --memory {} or less",
                  FormatByteSize(session.budget_bytes), session.budget_bytes, FormatByteSize(limit),
                  limit));
}

Result<Planned> Compile(const Model& model, SessionPlan& session, const Machine& machine,
                        const ModelWishes* wishes) {
  const Graph& graph = model.graph();
  if (session.options.force) {
    return CompileLeast(graph, RequestFor(model, session, machine, wishes));
  }
  return CompilePlan(graph, RequestFor(model, session, machine, wishes));
}

PlanPurpose PurposeOf(const SessionPlan& session, const Machine& machine) {
  const uint64_t budget = session.budget_bytes, trace = session.options.trace_bytes;
  return {budget - std::min(budget, trace), fmt::format("{}, {}", machine.name, ActiveIsa()),
          machine.rates};
}

void Take(Planned planned, const Machine& machine, SessionPlan& session) {
  session.plan = std::move(planned.plan);
  session.purpose = PurposeOf(session, machine);
  session.report = std::move(planned.report);
  session.details = std::move(planned.details);
}

// --- layer graphs ---

void ChooseBatch(const Model& model, const Machine& machine, const WishesOfGraph& wishes,
                 SessionPlan& session) {
  // How many would fit is asked of some ten plans, so only where these take no time.
  constexpr size_t kFewOps = 512;
  const bool any = session.options.batch == 0;
  if (!any && (!session.options.details || model.graph().ops.size() > kFewOps)) return;
  SessionPlan tried = session;
  session.largest_batch = LargestLayersBatch(
      model, any ? std::min(kMostBatch, session.options.most_batch) : kMostBatch,
      [&](uint64_t batch) {
        tried.options.batch = batch;
        return RequestFor(model, tried, machine);
      },
      wishes);
  if (any) session.options.batch = std::max<uint64_t>(session.largest_batch, 1);
}

Status PlanLayersWith(const Model& model, const Machine& machine, const WishesOfGraph& wishes,
                      bool least, SessionPlan& session) {
  if (!least) ChooseBatch(model, machine, wishes, session);
  const PlanRequest request = RequestFor(model, session, machine);
  TRY_ASSIGN(PlannedLayers planned,
             least ? PlanLeastLayers(model, request, wishes) : PlanLayers(model, request, wishes));
  Take(std::move(planned.planned), machine, session);
  session.layers = std::move(planned.graph);
  return {};
}

// The wishes of a schedule for each graph that the model's is changed into.
WishesOfGraph WishesFrom(const SourceText& source, const RequestDevice* device) {
  return [&source, device](const Graph& graph) -> Result<ModelWishes> {
    Diagnostics said_before(source);
    TRY_ASSIGN(ResolvedSchedule resolved, ResolveSchedule(graph, said_before, device));
    return std::move(resolved.wishes);
  };
}

Status PlanWith(const Model& model, bool any_context, const Machine& machine,
                const ModelWishes* wishes, SessionPlan& session) {
  Result<Planned> planned = any_context && !session.options.force
                                ? CompileWithDefaultContext(model, session, machine, wishes)
                                : Compile(model, session, machine, wishes);
  if (!planned) return tl::unexpected<Error>(std::move(planned).error());
  Take(*std::move(planned), machine, session);
  return {};
}

}  // namespace

Result<SessionPlan> PlanSession(const Model& model, const SessionOptions& options,
                                const Machine& machine) {
  TRY(CheckOptions(model, options));
  SessionPlan session = Resolve(model, options, machine);
  TRY(CheckCgroup(session, machine));
  if (model.is_text()) {
    TRY(PlanWith(model, options.context == 0, machine, nullptr, session));
  } else {
    TRY(PlanLayersWith(model, machine, {}, options.force, session));
  }
  return session;
}

Result<SessionPlan> PlanScheduledSession(const Model& model, const SessionOptions& options,
                                         const Machine& machine, Diagnostics& schedule) {
  TRY(CheckOptions(model, options));
  const RequestDevice* const device = options.device ? &*options.device : nullptr;
  TRY_ASSIGN(const ResolvedSchedule wanted, ResolveSchedule(model.graph(), schedule, device));
  const std::vector<ModelWishes::Stay>& stay = wanted.wishes.stay;
  const bool evicts =
      std::find(stay.begin(), stay.end(), ModelWishes::Stay::kStreamed) != stay.end();
  if (evicts && options.mode == PlanMode::kNormal) {
    return BadOption("in mode normal all weights stay, but the schedule evicts some");
  }
  SessionPlan session = Resolve(model, options, machine);
  TRY(CheckCgroup(session, machine));
  const uint64_t memory_bytes = session.budget_bytes;
  session.budget_bytes = std::min(memory_bytes, wanted.wishes.budget_bytes.value_or(memory_bytes));
  session.wishes = std::make_shared<const ModelWishes>(wanted.wishes);
  const Status planned =
      model.is_text()
          ? PlanWith(model, options.context == 0, machine, session.wishes.get(), session)
          : PlanLayersWith(model, machine, WishesFrom(schedule.source(), device), options.force,
                           session);
  if (planned) return session;
  return tl::unexpected<Error>(ExplainFailure(model.graph(), RequestFor(model, session, machine),
                                              wanted, memory_bytes, planned.error(), schedule));
}

Result<SavedPlan> ReadSessionPlan(const Model& model, Diagnostics& diagnostics) {
  if (model.is_text()) return ReadPlan(model.graph(), diagnostics);
  std::vector<GraphChange> changes = ReadChanges(diagnostics.source());
  TRY_ASSIGN(const std::shared_ptr<const SessionGraph> changed, ChangedGraph(model, changes));
  TRY_ASSIGN(SavedPlan saved, ReadPlan(changed->graph, diagnostics));
  saved.changes = std::move(changes);
  return saved;
}

std::string WriteSessionPlan(const Model& model, const SessionPlan& session) {
  const std::vector<GraphChange> none;
  return WritePlan(session.GraphOf(model), session.plan, session.purpose,
                   session.layers ? session.layers->changes : none);
}

Result<SessionPlan> AdoptPlan(const Model& model, const SessionOptions& options,
                              const Machine& machine, SavedPlan saved) {
  TRY(CheckOptions(model, options));
  SessionPlan session = Resolve(model, options, machine);
  const uint64_t free = session.budget_bytes;
  if (!model.is_text()) {
    TRY_ASSIGN(session.layers, ChangedGraph(model, saved.changes));
    if (!options.batch) session.options.batch = saved.plan.chunk;
  } else if (options.context == 0) {
    session.options.context = saved.plan.context;
  }
  if (!options.memory_bytes) {
    session.budget_bytes =
        CheckedAdd(saved.purpose.budget_bytes, options.trace_bytes).value_or(Budget::kUnlimited);
  }
  TRY(CheckCgroup(session, machine));
  const PlanRequest request = RequestFor(model, session, machine);
  session.purpose = PurposeOf(session, machine);
  TRY(CheckPlanSuits(saved, session.purpose, request));
  session.report = ReportPlan(session.GraphOf(model), request, saved.plan);
  if (!options.memory_bytes && session.report.predicted_peak_bytes > free) {
    return Fail(ErrorCode::kSchedule, "PLAN_MISMATCH",
                fmt::format("the plan needs {} bytes; {} are free here and now: make a plan with "
                            "--memory {}, or end what holds the rest",
                            session.report.predicted_peak_bytes, free, free));
  }
  session.adopted = true;
  session.purpose = std::move(saved.purpose);
  session.plan = std::move(saved.plan);
  return session;
}

// Sizes are whole slices, so an arena may come out larger in the same memory.
Result<SessionPlan> PlanAgain(const Model& model, const SessionPlan& before, const Rates& rates,
                              uint64_t most_arena_bytes) {
  constexpr int kMostTries = 8;
  SessionPlan session{.options = before.options,
                      .budget_bytes = before.budget_bytes,
                      .notes = before.notes,
                      .wishes = before.wishes,
                      .purpose = before.purpose};
  session.options.details = false;
  PlanRequest request = RequestFor(model, session, {}, session.wishes.get());
  request.rates = rates;
  // What the first plan said that the session would hold stays true.
  request.budget_bytes = before.report.predicted_peak_bytes;
  for (int i = 0;; ++i) {
    TRY_ASSIGN(Planned planned, CompilePlan(model.graph(), request));
    const uint64_t arena = planned.plan.memory.arena_bytes;
    session.plan = std::move(planned.plan);
    session.report = std::move(planned.report);
    session.purpose.rates = rates;
    if (arena <= most_arena_bytes) return session;
    const uint64_t less = 2 * (arena - most_arena_bytes);
    if (i == kMostTries || request.budget_bytes <= less) break;
    request.budget_bytes -= less;
  }
  return Fail(ErrorCode::kBudget, "BUDGET_INFEASIBLE",
              fmt::format("no plan in an arena of {}", FormatByteSize(most_arena_bytes)));
}

void Reconsider(const Model& model, const Rates& rates, SessionPlan& session) {
  PlanRequest request = RequestFor(model, session, {});
  request.rates = rates;
  session.purpose.rates = rates;
  session.report = ReportPlan(session.GraphOf(model), request, session.plan);
}

Result<SessionPlan> PlanLeastSession(const Model& model, const SessionOptions& options,
                                     const Machine& machine) {
  TRY(CheckOptions(model, options));
  SessionPlan session = Resolve(model, options, machine);
  if (!model.is_text()) {
    TRY(PlanLayersWith(model, machine, {}, true, session));
    return session;
  }
  TRY_ASSIGN(Planned planned, CompileLeast(model.graph(), RequestFor(model, session, machine)));
  Take(std::move(planned), machine, session);
  return session;
}

}  // namespace tinyai
