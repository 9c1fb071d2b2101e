#include <algorithm>
#include <cmath>

#include "capi/from_c.h"
#include "capi/guard.h"
#include "capi/session_handles.h"
#include "engine/text_plan.h"

namespace tinyai::capi {
namespace {

Result<DType> FromC(TinyAICacheType type) {
  switch (type) {
    case TINYAI_CACHE_F16:
      return DType::kF16;
    case TINYAI_CACHE_F32:
      return DType::kF32;
    case TINYAI_CACHE_Q8:
      return DType::kQ8_0;
  }
  return BadValue(fmt::format("{} is no type of a cache", static_cast<int>(type)));
}

Result<SessionOptions> FromC(const TinyAISessionConfig* config) {
  SessionOptions options;
  if (config == nullptr) return options;
  if (config->threads < 0) return BadValue(fmt::format("{} threads", config->threads));
  if (config->memory_bytes != 0) options.memory_bytes = config->memory_bytes;
  options.context = config->context;
  options.threads = static_cast<uint32_t>(config->threads);
  options.chunk = config->prompt_chunk;
  options.speed = config->speed;
  options.trace_bytes = config->trace_bytes;
  TRY_ASSIGN(options.mode, capi::FromC(config->mode));
  TRY_ASSIGN(options.key_type, FromC(config->key_type));
  TRY_ASSIGN(options.value_type, FromC(config->value_type));
  return options;
}

TinyAIPlanReport ToC(const SessionPlan& session, const PlanReport& report) {
  const Plan& plan = session.plan;
  TinyAIPlanReport out = {};
  out.budget_bytes = session.budget_bytes;
  out.least_budget_bytes = report.least_budget_bytes;
  out.predicted_peak_bytes = report.predicted_peak_bytes;
  out.arena_bytes = plan.memory.arena_bytes;
  out.pass_bytes = report.pass_bytes;
  out.resident_bytes = plan.resident_bytes;
  out.streamed_bytes = plan.streamed_read_bytes;
  out.context = plan.context;
  out.prompt_chunk = plan.chunk;
  out.threads = static_cast<int>(plan.workers);
  out.syncs = report.syncs;
  out.fences = report.fences;
  out.tokens_per_second = report.predicted_tokens_per_second;
  out.compute_seconds = report.compute_seconds_per_token;
  out.disk_seconds = report.disk_seconds_per_token;
  out.stall_seconds = report.stall_seconds_per_token;
  return out;
}

TinyAIRates ToC(const Rates& rates) {
  return {.measured = rates.measured,
          .memory_bytes_per_second = rates.memory_bytes_per_second,
          .disk_bytes_per_second = rates.disk_bytes_per_second,
          .product_bytes_per_second = rates.product_bytes_per_second,
          .meeting_seconds = rates.meeting_seconds,
          .macs_per_second = rates.compute_macs_per_second,
          .request_seconds = rates.request_seconds};
}

Result<Rates> FromC(const TinyAIRates& rates) {
  for (const double rate : {rates.memory_bytes_per_second, rates.disk_bytes_per_second,
                            rates.product_bytes_per_second, rates.macs_per_second}) {
    if (!(rate > 0) || std::isinf(rate)) return BadValue(fmt::format("a rate of {}", rate));
  }
  for (const double time : {rates.meeting_seconds, rates.request_seconds}) {
    if (!(time >= 0) || std::isinf(time)) return BadValue(fmt::format("a time of {} s", time));
  }
  return Rates{.measured = rates.measured,
               .memory_bytes_per_second = rates.memory_bytes_per_second,
               .disk_bytes_per_second = rates.disk_bytes_per_second,
               .product_bytes_per_second = rates.product_bytes_per_second,
               .meeting_seconds = rates.meeting_seconds,
               .compute_macs_per_second = rates.macs_per_second,
               .request_seconds = rates.request_seconds};
}

// `text`: null where the planner decides everything.
Result<TinyAISessionPlan*> MakePlan(TinyAIModel& model, const TinyAISessionConfig* config,
                                    const char* text) {
  TRY_ASSIGN(SessionOptions options, FromC(config));
  const SharedBudget* const share = model.objects->mapped().shared_budget();
  if (share != nullptr) options.shared_bytes = share->available_bytes();
  auto plan = std::make_unique<TinyAISessionPlan>();
  plan->objects = model.objects;
  plan->model = model.objects->mapped().transformed();
  if (text != nullptr) {
    TRY_ASSIGN(plan->session, PlanText(*plan->model, options, text));
  } else {
    TRY_ASSIGN(plan->session, PlanText(*plan->model, options));
  }
  plan->report = ToC(*plan->session, plan->session->report);
  std::ranges::copy_if(plan->session->report.components, std::back_inserter(plan->components),
                       [](const Component& component) { return component.bytes != 0; });
  return plan.release();
}

Status CheckReadable(const TinyAISessionPlan* plan) {
  if (plan == nullptr) return NullArgument("plan");
  if (!plan->session) return PlanTaken();
  return {};
}

}  // namespace
}  // namespace tinyai::capi

using namespace tinyai;
using namespace tinyai::capi;

void tinyaiInitSessionConfig(TinyAISessionConfig* config) {
  GuardStatus([&]() -> Status {
    if (config == nullptr) return NullArgument("config");
    *config = {};
    config->mode = TINYAI_EXEC_ADAPTIVE;
    config->speed = 1;
    return {};
  });
}

TinyAISessionPlan* tinyaiPlanSession(TinyAIModel* model, const TinyAISessionConfig* config) {
  return Guard<TinyAISessionPlan*>(nullptr, [&]() -> Result<TinyAISessionPlan*> {
    if (model == nullptr) return NullArgument("model");
    return MakePlan(*model, config, nullptr);
  });
}

TinyAISessionPlan* tinyaiReadSessionPlan(TinyAIModel* model, const TinyAISessionConfig* config,
                                         const char* text) {
  return Guard<TinyAISessionPlan*>(nullptr, [&]() -> Result<TinyAISessionPlan*> {
    if (model == nullptr) return NullArgument("model");
    if (text == nullptr) return NullArgument("text");
    return MakePlan(*model, config, text);
  });
}

void tinyaiFreeSessionPlan(TinyAISessionPlan* plan) { delete plan; }

bool tinyaiGetSessionPlanReport(const TinyAISessionPlan* plan, TinyAIPlanReport* out) {
  return GuardStatus([&]() -> Status {
    if (plan == nullptr) return NullArgument("plan");
    if (out == nullptr) return NullArgument("out");
    *out = plan->report;
    return {};
  });
}

int tinyaiGetSessionPlanComponents(const TinyAISessionPlan* plan, TinyAIMemoryComponent* out,
                                   int capacity) {
  return Guard<int>(-1, [&]() -> Result<int> {
    if (plan == nullptr) return NullArgument("plan");
    const size_t room = static_cast<size_t>(std::max(capacity, 0));
    std::vector<TinyAIMemoryComponent> all;
    for (const Component& component : plan->components) {
      all.push_back({component.name.c_str(), component.bytes});
    }
    TRY_ASSIGN(const int64_t count, CopyOut<TinyAIMemoryComponent>(all, out, room, "out"));
    return static_cast<int>(count);
  });
}

const char* tinyaiGetSessionPlanText(TinyAISessionPlan* plan) {
  return Guard<const char*>(nullptr, [&]() -> Result<const char*> {
    TRY(CheckReadable(plan));
    if (plan->text.empty()) plan->text = WriteTextPlan(*plan->model, *plan->session);
    return plan->text.c_str();
  });
}

bool tinyaiGetSessionPlanRates(const TinyAISessionPlan* plan, TinyAIRates* out) {
  return GuardStatus([&]() -> Status {
    TRY(CheckReadable(plan));
    if (out == nullptr) return NullArgument("out");
    *out = ToC(plan->session->purpose.rates);
    return {};
  });
}

bool tinyaiSimulateSessionPlan(const TinyAISessionPlan* plan, const TinyAIRates* rates,
                               TinyAIPlanReport* out) {
  return GuardStatus([&]() -> Status {
    TRY(CheckReadable(plan));
    if (rates == nullptr) return NullArgument("rates");
    if (out == nullptr) return NullArgument("out");
    TRY_ASSIGN(const Rates other, FromC(*rates));
    *out = ToC(*plan->session, SimulateText(*plan->model, *plan->session, other));
    return {};
  });
}
