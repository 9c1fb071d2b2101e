#include "plan/choose_recomputes.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "plan/activation_peak.h"

namespace tinyai {
namespace {

constexpr size_t kMostChanges = 24;
// Layers before one that are computed again with it, where they would have to be kept instead.
constexpr int kMostDepth = 6;
// Larger graphs are not searched: each change looks at all of it many times.
constexpr size_t kMostOps = 2000;

class RecomputeChooser {
 public:
  RecomputeChooser(BandedGraph graph, uint64_t samples) : samples_(samples) {
    steps_.push_back(std::move(graph));
  }

  std::vector<BandedGraph> Choose() {
    while (steps_.size() <= kMostChanges && steps_.back().graph.ops.size() <= kMostOps) {
      if (!Improve()) break;
    }
    return std::move(steps_);
  }

 private:
  struct Change {
    BandedGraph graph;
    double gain = 0;  // bytes for each multiplication
  };

  bool Improve() {
    const BandedGraph& now = steps_.back();
    const ActivationPeak peak = FindActivationPeak(now.graph, samples_);
    std::optional<Change> best;
    for (uint32_t layer = 0; layer < peak.layer; ++layer) {
      const std::vector<uint32_t> readers = ReadersOf(now.graph, layer);
      const auto next = std::upper_bound(readers.begin(), readers.end(), peak.layer);
      const bool touched = std::binary_search(readers.begin(), readers.end(), peak.layer);
      if (next == readers.end() || touched) continue;
      TryWithAncestors(layer, *next, peak.bytes, best);
    }
    if (!best) return false;
    steps_.push_back(std::move(best->graph));
    return true;
  }

  void TryWithAncestors(uint32_t layer, uint32_t reader, uint64_t peak_bytes,
                        std::optional<Change>& best) const {
    const BandedGraph& now = steps_.back();
    const double work = Multiplications(now.graph);
    Result<BandedGraph> changed = RecomputeFor(now, layer, reader);
    for (int depth = 0; changed && depth < kMostDepth; ++depth) {
      const uint64_t bytes = FindActivationPeak(changed->graph, samples_).bytes;
      if (bytes < peak_bytes) {
        const double more = Multiplications(changed->graph) - work;
        const double gain = static_cast<double>(peak_bytes - bytes) / (1 + more);
        if (!best || gain > best->gain) best = Change{*changed, gain};
      }
      const std::vector<uint32_t> before = MakersOf(now.graph, layer);
      if (before.size() != 1) return;
      layer = before[0];
      changed = RecomputeFor(*changed, layer, reader);
    }
  }
  // The layers whose results a layer reads.
  static std::vector<uint32_t> MakersOf(const Graph& graph, uint32_t layer) {
    std::vector<uint32_t> makers;
    for (uint32_t i = 0; i < layer; ++i) {
      const std::vector<ValueId>& operands = graph.layers[layer].operands;
      if (std::find(operands.begin(), operands.end(), graph.layers[i].output) != operands.end()) {
        makers.push_back(i);
      }
    }
    return makers;
  }

  const uint64_t samples_;
  std::vector<BandedGraph> steps_;
};

}  // namespace

std::vector<BandedGraph> ChooseRecomputes(BandedGraph graph, uint64_t samples) {
  return RecomputeChooser(std::move(graph), samples).Choose();
}

}  // namespace tinyai
