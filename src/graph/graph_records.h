#pragma once

#include "base/result.h"
#include "format/graph_records.h"
#include "format/model_file.h"
#include "graph/graph.h"

namespace tinyai {

// The layer graph that a file holds; its weights are the file's tensors. Errors: GRAPH_OP for an op
// or an attribute that does not exist or makes no sense (unknown kinds: exit 6), GRAPH_SHAPE where
// the shapes do not fit together or are not those of the file, MODEL_TENSOR_ALIGN.
Result<Graph> GraphFromRecords(GraphRecords records, const ModelFile& file);

// The kind of op that a record names, with its attributes. Error GRAPH_OP.
Result<OpKind> OpKindFromRecord(const GraphRecords::Op& record);

// The weights of a file that says nothing of what is done with them: no op and no layer. Error
// MODEL_TENSOR_ALIGN.
Result<Graph> WeightsAlone(const ModelFile& file);

// What a file is to hold of a graph: of a text model its layers alone, since its metadata tell the
// rest. Tensors are numbered as the graph's weights.
GraphRecords RecordsOf(const Graph& graph);

}  // namespace tinyai
