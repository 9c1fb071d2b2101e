#pragma once

// What the C API's precisions and prunings are in engine/.

#include <tinyai/utils/prune.h>
#include <tinyai/utils/quantize_mixed.h>

#include <optional>
#include <vector>

#include "base/result.h"
#include "capi/handles.h"

namespace tinyai::capi {

// Nothing: as in the file. Error ARG_VALUE.
Result<std::optional<DType>> FromC(TinyAIPrecision precision);

// By layer. Errors ARG_VALUE, GRAPH_OP.
Result<std::vector<LayerPruning>> FromC(ModelObjects& objects, const TinyAIPruneConfig& config);

}  // namespace tinyai::capi
