#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "format/graph_records.h"
#include "format/model_file.h"
#include "graph/graph.h"

namespace tinyai {

// The layer graph of these records; its weights are the tensors, of files with the paths `parts`.
// Of the tensors' memory nothing is held twice. Errors: GRAPH_OP for an op
// or an attribute that does not exist or makes no sense (unknown kinds: exit 6), GRAPH_SHAPE where
// the shapes do not fit together or are not those of the file, MODEL_TENSOR_ALIGN.
Result<Graph> GraphFromRecords(const PackedGraph& records, std::vector<TensorInfo> tensors,
                               std::span<const std::string> parts);

// The kind of op that a record names, with its attributes. Error GRAPH_OP.
Result<OpKind> OpKindFromRecord(const GraphRecords::Op& record);

// The weights of a file that says nothing of what is done with them: no op and no layer. Error
// MODEL_TENSOR_ALIGN.
Result<Graph> WeightsAlone(std::vector<TensorInfo> tensors, std::span<const std::string> parts);

// What a file is to hold of a graph: of a text model its layers alone, since its metadata tell the
// rest. Tensors are numbered as the graph's weights.
GraphRecords RecordsOf(const Graph& graph);

}  // namespace tinyai
