#pragma once

#include "base/result.h"
#include "graph/graph.h"

namespace tinyai {

// "3x224x224".
std::string ShapeText(const Shape& shape);
// Elements of a row. Error GRAPH_SHAPE if there are more than 2^48, or none.
Result<uint64_t> ElementCount(const Shape& shape);

// The shape of an op's result, from those of its operands and weights. Of the kinds that layer
// graphs have. Errors: GRAPH_SHAPE naming op, operand and shapes; GRAPH_OP where the op has not as
// many operands or weights as it needs, or an attribute makes no sense.
Result<Shape> OutputShape(const Graph& graph, const Op& op);

// Appends an op and its result, a value of the op's name.
Result<ValueId> AppendOp(Graph& graph, std::string name, OpKind kind, std::vector<ValueId> ins,
                         std::vector<WeightId> weights);

}  // namespace tinyai
