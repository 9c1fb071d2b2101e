#include "capi/from_c.h"

#include "capi/guard.h"

namespace tinyai::capi {

Result<PlanMode> FromC(TinyAIExecutionMode mode) {
  switch (mode) {
    case TINYAI_EXEC_NORMAL:
      return PlanMode::kNormal;
    case TINYAI_EXEC_MEMORY_OPT:
      return PlanMode::kMemoryOptimised;
    case TINYAI_EXEC_STREAMING:
      return PlanMode::kStreaming;
    case TINYAI_EXEC_ADAPTIVE:
      return PlanMode::kAdaptive;
  }
  return BadValue(fmt::format("{} is no mode of execution", static_cast<int>(mode)));
}

TinyAIExecutionMode ToC(PlanMode mode) {
  switch (mode) {
    case PlanMode::kNormal:
      return TINYAI_EXEC_NORMAL;
    case PlanMode::kMemoryOptimised:
      return TINYAI_EXEC_MEMORY_OPT;
    case PlanMode::kStreaming:
      return TINYAI_EXEC_STREAMING;
    case PlanMode::kAdaptive:
      break;
  }
  return TINYAI_EXEC_ADAPTIVE;
}

TextSettings FromC(const TinyAITextSettings& settings) {
  return {.sampler = {.temperature = settings.temperature,
                      .top_k = settings.top_k,
                      .top_p = settings.top_p,
                      .min_p = settings.min_p,
                      .repeat_penalty = settings.repeat_penalty,
                      .seed = settings.seed},
          .most_tokens = settings.max_new_tokens < 0
                             ? ~uint64_t{0}
                             : static_cast<uint64_t>(settings.max_new_tokens)};
}

}  // namespace tinyai::capi
