#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "graph/graph.h"

namespace tinyai {

// A layer of a graph in which layers were put together: the layers it was made of, and where their
// results are, if they are still anywhere.
struct LayerGroup {
  struct Member {
    uint32_t layer = 0;
    std::optional<ValueId> output;
  };
  std::vector<Member> members;
};

// One step by which a graph was made of another, with the numbers that layers and ops had then.
struct GraphChange {
  enum class Kind : uint8_t {
    kBands,         // layers first..second, in so many bands
    kRecompute,     // layer first, for layer second
    kSpill,         // likewise
    kFetchEarlier,  // op first
  };
  Kind kind;
  uint32_t first = 0, second = 0;
  uint64_t bands = 0;
  std::string name;  // of what is changed, for people

  bool operator==(const GraphChange&) const = default;
};

struct BandedGraph {
  Graph graph;
  std::vector<LayerGroup> groups;         // by layer of `graph`; members are layers of the old one
  std::vector<GraphChange> changes = {};  // that led from the old one to this
};

// The graph as it is, each layer a group of its own.
BandedGraph WithoutBands(Graph graph);

// Whether a layer can be computed a few rows of its maps at a time: convolutions, pooling,
// activations, sums, ... of [C, H, W].
bool IsLocal(const Graph& graph, const Layer& layer);

// Layers [first, last], all local, become one that computes `bands` bands of rows one after the
// other, from top to bottom, through all of them: of what lies between only one band is there at a
// time. Rows that two bands need near their border are computed twice, by the same operations on
// the same numbers, so all results have the same bits. Error GRAPH_SHAPE if they cannot be cut
// into so many bands.
Result<BandedGraph> CutIntoBands(const BandedGraph& from, uint32_t first, uint32_t last,
                                 uint64_t bands);

// Multiplications of all products for one row of every value.
double Multiplications(const Graph& graph);

}  // namespace tinyai
