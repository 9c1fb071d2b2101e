#include "base/checked.h"
#include "fmt/format.h"
#include "plan/plan_file.h"

namespace tinyai {
namespace {

Status Same(std::string_view what, uint64_t of_plan, uint64_t wanted) {
  if (of_plan == wanted) return {};
  return Fail(ErrorCode::kSchedule, "PLAN_MISMATCH",
              fmt::format("the plan is for {} {}, not {}", what, of_plan, wanted));
}

Status SameType(std::string_view what, DType of_plan, DType wanted) {
  if (of_plan == wanted) return {};
  return Fail(ErrorCode::kSchedule, "PLAN_MISMATCH",
              fmt::format("the plan keeps {} as {}, not as {}", what, Name(of_plan), Name(wanted)));
}

// All that is held with the plan; nothing where that is no 64-bit number.
std::optional<uint64_t> HeldBytes(const Plan& plan, const PlanRequest& request) {
  const uint64_t arena = plan.memory.arena_bytes;
  std::optional<uint64_t> sum = CheckedAdd(arena, CeilDiv(arena, request.page_table_divisor));
  if (sum) sum = CheckedAdd(*sum, plan.held_bytes);
  for (const Component& component : request.fixed) {
    if (sum) sum = CheckedAdd(*sum, component.bytes);
  }
  return sum;
}

}  // namespace

Status CheckPlanSuits(const Plan& plan, const PlanRequest& request) {
  TRY(Same("workers:", plan.workers, request.workers));
  TRY(Same("a context of", plan.context, request.context));
  TRY(SameType("keys", plan.key_type, request.key_type));
  TRY(SameType("values", plan.value_type, request.value_type));
  if (request.chunk != 0)
    TRY(Same("chunks of", plan.chunk, std::min(request.chunk, request.context)));
  if (plan.io_alignment % request.io_alignment != 0) {
    return Fail(ErrorCode::kSchedule, "PLAN_MISMATCH",
                fmt::format("the plan reads blocks of {} bytes; this file needs multiples of {}",
                            plan.io_alignment, request.io_alignment));
  }
  const std::optional<uint64_t> held = HeldBytes(plan, request);
  if (held && *held <= request.budget_bytes) return {};
  return Fail(
      ErrorCode::kSchedule, "PLAN_MISMATCH",
      fmt::format("the plan needs {} bytes in all; the budget is {}",
                  held ? fmt::format("{}", *held) : "more than 2^64", request.budget_bytes));
}

}  // namespace tinyai
