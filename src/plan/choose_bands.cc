#include "plan/choose_bands.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "plan/activation_peak.h"

namespace tinyai {
namespace {

// A stretch reaches at most so many layers before and behind the one where memory is short, and
// there are at most so many in a graph: what longer ones save, their halos cost.
constexpr uint32_t kMostReach = 10;
constexpr int kMostStretches = 8;
constexpr std::array<uint64_t, 6> kBands = {2, 4, 8, 16, 32, 64};
// A further stretch has to lower the peak by this share of it.
constexpr double kLeastGain = 0.02;
// Graphs with more ops are not searched: the search takes quadratic time.
constexpr size_t kMostOps = 4000;

class BandChooser {
 public:
  BandChooser(BandedGraph graph, uint64_t samples) : best_(std::move(graph)), samples_(samples) {}

  BandedGraph Choose() {
    for (int i = 0; i < kMostStretches && best_.graph.ops.size() <= kMostOps; ++i) {
      if (!Improve()) break;
    }
    return std::move(best_);
  }

 private:
  bool Improve() {
    const Graph& graph = best_.graph;
    const ActivationPeak peak = FindActivationPeak(graph, samples_);
    const auto goal = static_cast<uint64_t>(static_cast<double>(peak.bytes) * (1 - kLeastGain));
    std::optional<BandedGraph> found;
    uint64_t least = goal;
    // The most lives where a result comes beside its operands: the layer before may be the cause.
    for (uint32_t centre = peak.layer == 0 ? 0 : peak.layer - 1; centre <= peak.layer; ++centre) {
      if (!IsLocal(graph, graph.layers[centre])) continue;
      uint32_t first = centre, last = centre;
      while (first > 0 && centre - first < kMostReach && IsLocal(graph, graph.layers[first - 1])) {
        --first;
      }
      while (last + 1 < graph.layers.size() && last - centre < kMostReach &&
             IsLocal(graph, graph.layers[last + 1])) {
        ++last;
      }
      for (uint32_t begin = first; begin <= centre; ++begin) {
        for (uint32_t end = centre; end <= last; ++end) Try(begin, end, least, found);
      }
    }
    if (found) best_ = std::move(*found);
    return found.has_value();
  }

  // More bands take less memory until the halos outweigh it.
  void Try(uint32_t begin, uint32_t end, uint64_t& least, std::optional<BandedGraph>& found) const {
    uint64_t before = ~uint64_t{0};
    for (const uint64_t bands : kBands) {
      Result<BandedGraph> cut = CutIntoBands(best_, begin, end, bands);
      if (!cut) return;
      const uint64_t bytes = FindActivationPeak(cut->graph, samples_).bytes;
      if (bytes >= before) return;
      before = bytes;
      if (bytes >= least) continue;
      least = bytes;
      found = std::move(*cut);
    }
  }

  BandedGraph best_;
  const uint64_t samples_;
};

}  // namespace

BandedGraph ChooseBands(BandedGraph graph, uint64_t samples) {
  return BandChooser(std::move(graph), samples).Choose();
}

}  // namespace tinyai
