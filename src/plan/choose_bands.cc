#include "plan/choose_bands.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "plan/activation_peak.h"

namespace tinyai {
namespace {

// A stretch may begin and end at any of so many layers before and behind the one where memory is
// short; farther away, up to the second number, only where less lives than anywhere nearer. What
// longer ones save, their halos cost.
constexpr uint32_t kNear = 10, kFar = 64;
// There are at most so many stretches in a graph.
constexpr int kMostStretches = 8;
constexpr std::array<uint64_t, 6> kBands = {2, 4, 8, 16, 32, 64};
// A further stretch has to lower the peak by this share of it.
constexpr double kLeastGain = 0.02;
// Graphs with more ops are not searched: the search takes quadratic time.
constexpr size_t kMostOps = 4000;

// What values take between layer i - 1 and layer i, for each i up to the number of layers.
std::vector<uint64_t> BytesBetweenLayers(const Graph& graph, uint64_t samples) {
  std::vector<uint32_t> made(graph.values.size(), 0), needed(graph.values.size(), 0);
  for (uint32_t i = 0; i < graph.layers.size(); ++i) {
    const Layer& layer = graph.layers[i];
    for (uint32_t at = layer.first_op; at < layer.first_op + layer.op_count; ++at) {
      for (const ValueId in : graph.ops[at].ins) needed[Index(in)] = i;
      if (const auto& out = graph.ops[at].out) made[Index(*out)] = needed[Index(*out)] = i;
    }
  }
  for (const ValueId id : graph.outputs) {
    needed[Index(id)] = static_cast<uint32_t>(graph.layers.size());
  }
  std::vector<uint64_t> bytes(graph.layers.size() + 2, 0);
  for (size_t i = 0; i < graph.values.size(); ++i) {
    bytes[made[i] + 1] += graph.values[i].row_bytes * samples;
    bytes[needed[i] + 1] -= graph.values[i].row_bytes * samples;
  }
  std::partial_sum(bytes.begin(), bytes.end(), bytes.begin());
  return bytes;
}

class BandChooser {
 public:
  BandChooser(BandedGraph graph, uint64_t samples, uint64_t enough)
      : best_(std::move(graph)), samples_(samples), enough_(enough) {}

  BandedGraph Choose() {
    for (int i = 0; i < kMostStretches && best_.graph.ops.size() <= kMostOps; ++i) {
      if (!Improve()) break;
    }
    return std::move(best_);
  }

 private:
  struct Found {
    BandedGraph graph;
    uint64_t bytes;
    double multiplications;
  };

  bool Improve() {
    const Graph& graph = best_.graph;
    const ActivationPeak peak = FindActivationPeak(graph, samples_);
    if (peak.bytes <= enough_) return false;
    goal_ = static_cast<uint64_t>(static_cast<double>(peak.bytes) * (1 - kLeastGain));
    const std::vector<uint64_t> between = BytesBetweenLayers(graph, samples_);
    std::optional<Found> found;
    // The most lives where a result comes beside its operands: the layer before may be the cause.
    for (uint32_t centre = peak.layer == 0 ? 0 : peak.layer - 1; centre <= peak.layer; ++centre) {
      if (!IsLocal(graph, graph.layers[centre])) continue;
      const std::vector<uint32_t> ends = Ends(centre, between);
      for (const uint32_t begin : Begins(centre, between)) {
        for (const uint32_t end : ends) {
          const uint64_t bound = std::max(between[begin], between[end + 1]);  // on the peak
          if (!found || bound <= enough_ || bound < found->bytes) Try(begin, end, found);
        }
      }
    }
    if (found) best_ = std::move(found->graph);
    return found.has_value();
  }

  // Layers at which a stretch over `centre` may begin, and end.
  std::vector<uint32_t> Begins(uint32_t centre, const std::vector<uint64_t>& between) const {
    std::vector<uint32_t> out = {centre};
    uint64_t least = between[centre];
    for (uint32_t i = centre; i-- > 0 && centre - i <= kFar && IsLocalLayer(i);) {
      if (centre - i <= kNear || between[i] < least) out.push_back(i);
      least = std::min(least, between[i]);
    }
    return out;
  }
  std::vector<uint32_t> Ends(uint32_t centre, const std::vector<uint64_t>& between) const {
    std::vector<uint32_t> out = {centre};
    uint64_t least = between[centre + 1];
    const auto layers = static_cast<uint32_t>(best_.graph.layers.size());
    for (uint32_t i = centre + 1; i < layers && i - centre <= kFar && IsLocalLayer(i); ++i) {
      if (i - centre <= kNear || between[i + 1] < least) out.push_back(i);
      least = std::min(least, between[i + 1]);
    }
    return out;
  }
  bool IsLocalLayer(uint32_t i) const { return IsLocal(best_.graph, best_.graph.layers[i]); }

  // More bands take less memory until the halos outweigh it.
  void Try(uint32_t begin, uint32_t end, std::optional<Found>& found) const {
    uint64_t before = ~uint64_t{0};
    for (const uint64_t bands : kBands) {
      Result<BandedGraph> cut = CutIntoBands(best_, begin, end, bands);
      if (!cut) return;
      const uint64_t bytes = FindActivationPeak(cut->graph, samples_).bytes;
      if (bytes >= before) return;
      before = bytes;
      const double multiplications = Multiplications(cut->graph);
      if (bytes <= std::max(goal_, enough_) &&
          (!found || IsBetter(bytes, multiplications, *found))) {
        found = Found{std::move(*cut), bytes, multiplications};
      }
      if (bytes <= enough_) return;
    }
  }
  bool IsBetter(uint64_t bytes, double multiplications, const Found& than) const {
    const bool both_do = bytes <= enough_ && than.bytes <= enough_;
    return both_do ? multiplications < than.multiplications : bytes < than.bytes;
  }

  BandedGraph best_;
  const uint64_t samples_, enough_;
  uint64_t goal_ = 0;  // to which the next stretch has to come at least
};

}  // namespace

BandedGraph ChooseBands(BandedGraph graph, uint64_t samples, uint64_t enough) {
  return BandChooser(std::move(graph), samples, enough).Choose();
}

}  // namespace tinyai
