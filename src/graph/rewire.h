#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "graph/graph.h"

namespace tinyai {

// A layer of a graph as a user wants it executed.
struct WiredLayer {
  uint32_t layer = 0;                  // of the graph
  std::vector<uint32_t> dependencies;  // layers whose results are its operands, in order; none: it
                                       // takes the caller's input
  uint64_t output_bytes = 0;           // reserved for its result, per sample; 0: as many as it has
};

// Some layers of a graph, wired anew. Its layers are in an order that may be executed, that of
// `wiring` wherever it is one.
struct RewiredGraph {
  Graph graph;
  std::vector<uint32_t> origin;  // by layer: which layer of the model's graph it is
};

// The operands of a layer are its dependencies: a layer that takes several gets them as they are,
// one that takes a single one gets the sum of all. One without dependencies takes for each operand
// an input of its own. Results that nobody reads are the outputs. Errors GRAPH_DEPENDENCY: a layer
// that does not exist, or is not scheduled, or twice, or a cycle, or a wrong number of operands,
// operands of other shapes than in the model, or a result larger than its `output_bytes`, each with
// the layers' names.
Result<RewiredGraph> Rewire(const Graph& model, std::span<const WiredLayer> wiring);

// How a graph's own layers are wired. A layer that takes inputs of the graph has fewer dependencies
// than operands; so this is for showing. Rewire with an empty wiring keeps what the model has.
std::vector<std::vector<uint32_t>> OwnDependencies(const Graph& model);

// Outputs besides those that it has: the results of these layers.
void KeepOutputs(Graph& graph, std::span<const uint32_t> layers);

}  // namespace tinyai
