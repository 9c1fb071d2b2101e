#pragma once

#include "base/result.h"
#include "format/model_file.h"
#include "graph/graph.h"

namespace tinyai {

struct GraphOptions {
  // Bytes of a row of activations in 8 bits, a multiple of 64 (kernel/quantized_rows.h). Null: all
  // activations are float, also those that meet quantised weights.
  uint64_t (*quantized_row_bytes)(uint64_t cols) = nullptr;
};

// The graph of a text model. Errors: MODEL_ARCH (missing; unknown: exit 6, with the known ones),
// MODEL_HPARAM, MODEL_SHAPE, MODEL_TENSOR_MISSING, MODEL_TENSOR_TYPE.
Result<Graph> BuildGraph(const ModelFile& file, const GraphOptions& options);

}  // namespace tinyai
