#include "plan/choose_evictions.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "graph/recompute.h"
#include "graph/spill.h"
#include "plan/activation_peak.h"

namespace tinyai {
namespace {

constexpr size_t kMostChanges = 24;
// Layers before one that are computed again with it, where they would have to be kept instead.
constexpr int kMostDepth = 6;
// Larger graphs are not searched: each change looks at all of it many times.
constexpr size_t kMostOps = 2000;
// Layers that a fetch may come before its reader: enough that it runs beside computing.
constexpr int kFetchAhead = 3;

class EvictionChooser {
 public:
  EvictionChooser(BandedGraph graph, const EvictionOptions& options)
      : options_(options), samples_(options.samples) {
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
    double gain = 0;  // bytes for each second
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
      if (options_.recompute) TryWithAncestors(layer, *next, peak.bytes, best);
      if (options_.spill) TrySpill(layer, *next, peak.bytes, best);
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
      const double more = static_cast<double>(samples_) * (Multiplications(changed->graph) - work);
      Consider(*changed, (1 + more) / options_.rates.compute_macs_per_second, peak_bytes, best);
      const std::vector<uint32_t> before = MakersOf(now.graph, layer);
      if (before.size() != 1) return;
      layer = before[0];
      changed = RecomputeFor(*changed, layer, reader);
    }
  }

  void TrySpill(uint32_t layer, uint32_t reader, uint64_t peak_bytes,
                std::optional<Change>& best) const {
    const BandedGraph& now = steps_.back();
    Result<BandedGraph> changed = SpillFor(now, layer, reader);
    if (!changed) return;
    const Rates& rates = options_.rates;
    const auto bytes =
        static_cast<double>(samples_ * now.graph.value(now.graph.layers[layer].output).row_bytes);
    Consider(*std::move(changed),
             2 * rates.request_seconds + bytes / rates.spill_bytes_per_second +
                 bytes / rates.fetch_bytes_per_second,
             peak_bytes, best);
  }

  void Consider(BandedGraph changed, double seconds, uint64_t peak_bytes,
                std::optional<Change>& best) const {
    const uint64_t bytes = FindActivationPeak(changed.graph, samples_).bytes;
    if (bytes >= peak_bytes) return;
    const double gain = static_cast<double>(peak_bytes - bytes) / seconds;
    if (!best || gain > best->gain) best = Change{std::move(changed), gain};
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

  const EvictionOptions& options_;
  const uint64_t samples_;
  std::vector<BandedGraph> steps_;
};

}  // namespace

std::vector<BandedGraph> ChooseEvictions(BandedGraph graph, const EvictionOptions& options) {
  return EvictionChooser(std::move(graph), options).Choose();
}

BandedGraph FetchInTime(BandedGraph graph, uint64_t samples) {
  const uint64_t peak = FindActivationPeak(graph.graph, samples).bytes;
  for (size_t at = graph.graph.ops.size(); at-- > 0;) {
    if (!std::holds_alternative<op::Fetch>(graph.graph.ops[at].kind)) continue;
    const ValueId fetched = *graph.graph.ops[at].out;
    size_t place = at;
    for (int layers = 0; layers < kFetchAhead; ++layers) {
      std::optional<BandedGraph> earlier = FetchEarlier(graph, OpId(place));
      if (!earlier || FindActivationPeak(earlier->graph, samples).bytes > peak) break;
      graph = *std::move(earlier);
      while (graph.graph.ops[place].out != fetched) --place;
    }
  }
  return graph;
}

}  // namespace tinyai
