#pragma once

// Enums and structs of the C API that several of its headers use, as engine/ has them.

#include <tinyai/utils/forward_scheduler.h>

#include "base/result.h"
#include "engine/session_plan.h"
#include "engine/text_continuation.h"

namespace tinyai::capi {

// Error ARG_VALUE.
Result<PlanMode> FromC(TinyAIExecutionMode mode);
TinyAIExecutionMode ToC(PlanMode mode);

TextSettings FromC(const TinyAITextSettings& settings);

}  // namespace tinyai::capi
