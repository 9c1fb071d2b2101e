#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "format/onnx_model.h"
#include "graph/graph.h"
#include "onnx/weight_recipe.h"

namespace tinyai {

struct OnnxOptions {
  std::map<std::string, uint64_t> sizes;  // of axes that have a name and no size
};

// An ONNX model as a layer graph, and by weight of the graph where its elements come from.
struct ImportedOnnx {
  Graph graph;
  std::vector<WeightRecipe> recipes;
};

// Makes ops of ours of the nodes; what does not depend on the inputs is computed at once. The graph
// is that of one sample: a first axis of 1, or one whose size the model leaves open, is the batch
// and goes. `model` outlives the result, whose recipes refer to its tensors. Errors: ONNX_OP for a
// node that cannot be carried out (exit 6) or makes no sense (exit 3), naming it; ONNX_GRAPH where
// names do not fit together; ONNX_SHAPE where an axis has no size; ONNX_TYPE; ONNX_VERSION;
// GRAPH_*.
Result<ImportedOnnx> ImportOnnx(const OnnxModel& model, OnnxParts parts,
                                const OnnxOptions& options);

}  // namespace tinyai
