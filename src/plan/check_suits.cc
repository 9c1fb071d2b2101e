#include <algorithm>

#include "base/checked.h"
#include "fmt/format.h"
#include "plan/plan_file.h"
#include "plan/plan_names.h"

namespace tinyai {
namespace {

// A rate that is so many times another one makes another plan; probes of one machine that others
// use too differ less.
constexpr double kOtherRate = 4;

tl::unexpected<Error> Mismatch(std::string_view field, const std::string& of_plan,
                               const std::string& here, std::string_view instead = {}) {
  return Fail(ErrorCode::kSchedule, "PLAN_MISMATCH",
              fmt::format("{}: the plan was made for {}, here it is {}; {}{}", field, of_plan, here,
                          instead, kMakePlanAgain));
}

template <typename Value>
Status Same(std::string_view field, const Value& of_plan, const Value& here,
            std::string_view instead) {
  if (of_plan == here) return {};
  return Mismatch(field, fmt::format("{}", of_plan), fmt::format("{}", here), instead);
}

Status CheckMachine(const PlanPurpose& made_for, const PlanPurpose& here) {
  if (made_for.machine != here.machine) {
    return Mismatch("machine", fmt::format("'{}'", made_for.machine),
                    fmt::format("'{}'", here.machine));
  }
  for (const RateField& rate : kRateFields) {
    const double of_plan = made_for.rates.*rate.member, now = here.rates.*rate.member;
    if (of_plan <= kOtherRate * now && now <= kOtherRate * of_plan) continue;
    return Mismatch(rate.name, fmt::format("{}", rate.Whole(made_for.rates)),
                    fmt::format("{}", rate.Whole(here.rates)));
  }
  return {};
}

Status CheckDevice(const Plan& plan, const PlanRequest& request) {
  if (!plan.device) return {};
  const std::string& name = plan.queues[kDeviceQueue].name;
  if (!request.device || request.device->name != name) {
    return Mismatch("device", fmt::format("'{}' with memory of its own", name),
                    request.device ? fmt::format("'{}'", request.device->name) : "none",
                    "give --device FILE that has it, or ");
  }
  const uint64_t need = plan.device->memory.arena_bytes;
  if (need <= request.device->memory_bytes) return {};
  return Mismatch(plan.device->memory.name, fmt::format("{} bytes", need),
                  fmt::format("{}", request.device->memory_bytes));
}

// All that is held with the plan; nothing where that is no 64-bit number.
std::optional<uint64_t> HeldBytes(const Plan& plan, const PlanRequest& request) {
  const uint64_t arena = plan.end_offset();
  std::optional<uint64_t> sum = CheckedAdd(arena, CeilDiv(arena, request.page_table_divisor));
  if (sum) sum = CheckedAdd(*sum, plan.held_bytes);
  for (const Component& component : request.fixed) {
    if (sum) sum = CheckedAdd(*sum, component.bytes);
  }
  return sum;
}

}  // namespace

Status CheckPlanSuits(const SavedPlan& saved, const PlanPurpose& here, const PlanRequest& request) {
  const Plan& plan = saved.plan;
  TRY(CheckMachine(saved.purpose, here));
  TRY(Same("budget", saved.purpose.budget_bytes, here.budget_bytes, "leave out --memory, or "));
  TRY(Same("workers", plan.workers, request.workers, "leave out --threads, or "));
  TRY(Same("context", plan.context, request.context, "leave out --ctx-size, or "));
  TRY(Same("keys", Name(plan.key_type), Name(request.key_type), "leave out --cache-type-k, or "));
  TRY(Same("values", Name(plan.value_type), Name(request.value_type),
           "leave out --cache-type-v, or "));
  if (request.chunk != 0) {
    TRY(Same("chunk", plan.chunk, std::min(request.chunk, request.context),
             "leave out --ubatch-size, or "));
  }
  if (plan.io_alignment % request.io_alignment != 0) {
    return Mismatch("blocks", fmt::format("{}", plan.io_alignment),
                    fmt::format("multiples of {}", request.io_alignment));
  }
  TRY(CheckDevice(plan, request));
  const std::optional<uint64_t> held = HeldBytes(plan, request);
  if (held && *held <= request.budget_bytes) return {};
  return Fail(ErrorCode::kSchedule, "PLAN_MISMATCH",
              fmt::format("the plan needs {} bytes in all; the budget is {}; {}",
                          held ? fmt::format("{}", *held) : "more than 2^64", request.budget_bytes,
                          kMakePlanAgain));
}

}  // namespace tinyai
