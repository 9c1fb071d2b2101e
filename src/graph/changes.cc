#include "graph/changes.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "graph/recompute.h"
#include "graph/spill.h"

namespace tinyai {
namespace {

// Beyond what plan/choose_bands.h and plan/choose_evictions.h make of the largest graphs that they
// search; a few changes of another list could double a graph again and again.
constexpr size_t kMostChanges = 1024;
constexpr size_t kMostOps = size_t{1} << 17;
constexpr uint64_t kMostBands = 4096;

tl::unexpected<Error> CannotChange(const GraphChange& change, std::string_view why) {
  return Fail(ErrorCode::kSchedule, "GRAPH_CHANGE",
              fmt::format("'{}' cannot be changed so: {}", change.name, why));
}

Result<BandedGraph> Cut(const BandedGraph& from, const GraphChange& change) {
  const std::vector<Layer>& layers = from.graph.layers;
  const bool possible = change.first <= change.second && change.second < layers.size() &&
                        change.bands >= 1 && change.bands <= kMostBands;
  if (!possible) return CannotChange(change, "there are no such layers, or no so many bands");
  for (uint32_t i = change.first; i <= change.second; ++i) {
    if (!IsLocal(from.graph, layers[i])) return CannotChange(change, "a layer has no bands");
  }
  return CutIntoBands(from, change.first, change.second, change.bands);
}

Result<BandedGraph> Apply(const BandedGraph& from, const GraphChange& change) {
  const Graph& graph = from.graph;
  switch (change.kind) {
    case GraphChange::Kind::kBands:
      return Cut(from, change);
    case GraphChange::Kind::kRecompute:
    case GraphChange::Kind::kSpill:
      if (change.first >= graph.layers.size())
        return CannotChange(change, "there is no such layer");
      return change.kind == GraphChange::Kind::kSpill
                 ? SpillFor(from, change.first, change.second)
                 : RecomputeFor(from, change.first, change.second);
    case GraphChange::Kind::kFetchEarlier:
      break;
  }
  const bool fetches = change.first < graph.ops.size() &&
                       std::holds_alternative<op::Fetch>(graph.ops[change.first].kind);
  if (!fetches) return CannotChange(change, "there is no such op that reads back");
  std::optional<BandedGraph> earlier = FetchEarlier(from, OpId(change.first));
  if (!earlier) return CannotChange(change, "it was not written before that");
  return *std::move(earlier);
}

}  // namespace

Result<BandedGraph> ApplyChanges(Graph graph, std::span<const GraphChange> changes) {
  BandedGraph out = WithoutBands(std::move(graph));
  const size_t most_ops = std::max(kMostOps, 2 * out.graph.ops.size());
  if (changes.size() > kMostChanges) {
    return Fail(ErrorCode::kSchedule, "GRAPH_CHANGE",
                fmt::format("{} changes of the graph; no plan has more than {}", changes.size(),
                            kMostChanges));
  }
  for (const GraphChange& change : changes) {
    Result<BandedGraph> next = Apply(out, change);
    if (!next && next.error().key != "GRAPH_CHANGE") {
      return CannotChange(change, next.error().message);
    }
    TRY_ASSIGN(out, std::move(next));
    if (out.graph.ops.size() > most_ops) return CannotChange(change, "the graph grows too large");
  }
  return out;
}

}  // namespace tinyai
