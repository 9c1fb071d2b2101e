#pragma once

#include <tinyai/detail/common.h>

#include "engine/mapped_model.h"

namespace tinyai::capi {

TinyAIMemoryStats ModelStats(const MappedModel& mapped);

}  // namespace tinyai::capi
