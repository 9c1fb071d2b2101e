#pragma once

#include <tinyai/session.h>
#include <tinyai/cpp/model.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace tinyai {
inline namespace v0 {

// What memory is used for.
enum class Mode {
  kNormal = TINYAI_EXEC_NORMAL,        // every weight stays
  kMemory = TINYAI_EXEC_MEMORY_OPT,    // weights come when they are needed
  kStreaming = TINYAI_EXEC_STREAMING,  // and all goes through in the least pieces
  kAdaptive = TINYAI_EXEC_ADAPTIVE,    // the fastest of these that fits
};

enum class CacheType {
  kF16 = TINYAI_CACHE_F16,
  kF32 = TINYAI_CACHE_F32,
  kQ8 = TINYAI_CACHE_Q8,
};

struct PlanOptions {
  std::size_t memory_bytes = 0;  // for everything the process holds; 0: what is free
  std::size_t context = 0;       // tokens; 0: as trained, at most 4096, fewer where memory is short
  int threads = 0;               // that compute; 0: one per core
  std::size_t prompt_chunk = 0;  // tokens of a prompt per pass; 0: chosen
  Mode mode = Mode::kAdaptive;
  double speed = 1;  // of kAdaptive: 1, the fastest that fits, to 0, the least memory
  CacheType keys = CacheType::kF16, values = CacheType::kF16;
  std::size_t trace_bytes = 0;  // to keep when what ran, for Session::WriteTrace; 0: nothing is
};

// Bytes, tokens and seconds; the fields are explained in <tinyai/session.h>.
using PlanReport = TinyAIPlanReport;
using Rates = TinyAIRates;

struct MemoryComponent {
  std::string name = {};
  std::size_t bytes = 0;
};

// What a session of a text model will do: decided before a weight is read. One thread at a time
// uses a plan; it keeps its model alive.
class Plan {
 public:
  // Errors BAD_OPTION, ARG_VALUE, NO_TEXT_MODEL, BUDGET_INFEASIBLE (the message has the least
  // budget that works), BUDGET_OVER_LIMIT.
  static Result<Plan> Make(const Model& model, const PlanOptions& options = {}) {
    const TinyAISessionConfig config = ToC(options);
    return Wrap(tinyaiPlanSession(model.handle(), &config));
  }
  // As a text says: what text() has given, for this model and machine, or a schedule
  // (docs/schedule.md). What `options` leave open is the plan's. Errors besides: SCHEDULE_*,
  // PLAN_MISMATCH, PLAN_INVALID.
  static Result<Plan> Read(const Model& model, const std::string& text,
                           const PlanOptions& options = {}) {
    const TinyAISessionConfig config = ToC(options);
    return Wrap(tinyaiReadSessionPlan(model.handle(), &config, text.c_str()));
  }

  // What it will take, and how fast it will be.
  PlanReport report() const {
    PlanReport report = {};
    tinyaiGetSessionPlanReport(handle(), &report);
    return report;
  }
  // What the predicted peak is for; they add up to it.
  std::vector<MemoryComponent> components() const {
    std::vector<TinyAIMemoryComponent> all(
        static_cast<std::size_t>(tinyaiGetSessionPlanComponents(handle(), nullptr, 0)));
    tinyaiGetSessionPlanComponents(handle(), all.data(), static_cast<int>(all.size()));
    std::vector<MemoryComponent> out;
    for (const TinyAIMemoryComponent& part : all) out.push_back({part.name, part.bytes});
    return out;
  }
  // The whole plan in the scheduling language, to be read back.
  std::string text() const {
    const char* const text = tinyaiGetSessionPlanText(handle());
    return text != nullptr ? text : "";
  }

  // The rates that the plan was made with.
  Rates rates() const {
    Rates rates = {};
    tinyaiGetSessionPlanRates(handle(), &rates);
    return rates;
  }
  // What this very plan would do on a machine with other rates. Error ARG_VALUE.
  Result<PlanReport> Simulate(const Rates& rates) const {
    PlanReport report;
    if (!tinyaiSimulateSessionPlan(handle(), &rates, &report)) return detail::LastError();
    return report;
  }

  // For what only the C API has; belongs to this object.
  TinyAISessionPlan* handle() const { return handle_.get(); }

 private:
  struct Free {
    void operator()(TinyAISessionPlan* plan) const { tinyaiFreeSessionPlan(plan); }
  };
  using Handle = std::unique_ptr<TinyAISessionPlan, Free>;
  explicit Plan(Handle handle) : handle_(std::move(handle)) {}

  static Result<Plan> Wrap(TinyAISessionPlan* plan) {
    if (plan == nullptr) return detail::LastError();
    return Plan(Handle(plan));
  }
  static TinyAISessionConfig ToC(const PlanOptions& options) {
    return {.memory_bytes = options.memory_bytes,
            .context = options.context,
            .threads = options.threads,
            .prompt_chunk = options.prompt_chunk,
            .mode = static_cast<TinyAIExecutionMode>(options.mode),
            .speed = options.speed,
            .key_type = static_cast<TinyAICacheType>(options.keys),
            .value_type = static_cast<TinyAICacheType>(options.values),
            .trace_bytes = options.trace_bytes};
  }

  Handle handle_;
};

}  // namespace v0
}  // namespace tinyai
