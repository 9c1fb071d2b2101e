#include "plan/choose_bands.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "plan/draft.h"

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

// Bytes of values at once, where ops run in the graph's order.
struct Peak {
  uint64_t bytes = 0;
  uint32_t layer = 0;
};
Peak PeakOf(const Graph& graph, uint64_t samples) {
  std::vector<size_t> last(graph.values.size(), 0), readers(graph.values.size(), 0);
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    for (const ValueId in : graph.ops[i].ins) {
      last[Index(in)] = i;
      ++readers[Index(in)];
    }
  }
  for (const ValueId id : graph.outputs) last[Index(id)] = graph.ops.size();
  Peak peak;
  uint64_t live = 0;
  for (uint32_t layer = 0; layer < graph.layers.size(); ++layer) {
    const Layer& it = graph.layers[layer];
    for (size_t i = it.first_op; i < it.first_op + it.op_count; ++i) {
      const Op& op = graph.ops[i];
      const auto bytes = [&](ValueId id) { return graph.value(id).row_bytes * samples; };
      const bool in_place = WorksInPlace(op.kind) && last[Index(op.ins[0])] == i &&
                            bytes(op.ins[0]) == bytes(*op.out);
      live += in_place ? 0 : bytes(*op.out);
      if (live > peak.bytes) peak = {live, layer};
      for (size_t in = 0; in < op.ins.size(); ++in) {
        const bool again = std::find(op.ins.begin(), op.ins.begin() + static_cast<ptrdiff_t>(in),
                                     op.ins[in]) != op.ins.begin() + static_cast<ptrdiff_t>(in);
        if (again || last[Index(op.ins[in])] != i || (in_place && in == 0)) continue;
        live -= bytes(op.ins[in]);
      }
      if (readers[Index(*op.out)] == 0 && last[Index(*op.out)] != graph.ops.size()) {
        live -= bytes(*op.out);
      }
    }
  }
  return peak;
}

class BandChooser {
 public:
  BandChooser(Graph graph, uint64_t samples)
      : best_(WithoutBands(std::move(graph))), samples_(samples) {}

  BandedGraph Choose() {
    for (int i = 0; i < kMostStretches && best_.graph.ops.size() <= kMostOps; ++i) {
      if (!Improve()) break;
    }
    return std::move(best_);
  }

 private:
  bool Improve() {
    const Graph& graph = best_.graph;
    const Peak peak = PeakOf(graph, samples_);
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
      const uint64_t bytes = PeakOf(cut->graph, samples_).bytes;
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

BandedGraph ChooseBands(Graph graph, uint64_t samples) {
  return BandChooser(std::move(graph), samples).Choose();
}

}  // namespace tinyai
