#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph/graph.h"
#include "plan/model_wishes.h"

namespace tinyai {

// What each op of a graph waits for, by data: makers of its values, and for attention the keys and
// values stored in this pass. The ops that only the logits need come after all others.
std::vector<std::vector<OpId>> DataNeeds(const Graph& graph);

// The order nearest to `base` in which data flow and the wishes hold: of the ops that may come next
// always the one that is first in `base` (Kahn 1962). Fewer ops than the graph has if there is a
// cycle.
std::vector<OpId> OrderByWishes(const Graph& graph, const std::vector<OpId>& base,
                                const ModelWishes& wishes);

// One way from an op back to itself along data flow and wishes, of few steps.
struct CycleStep {
  OpId from, to;
  std::optional<size_t> order;  // of the wishes; none: data flow
};
std::vector<CycleStep> FindCycle(const Graph& graph, const ModelWishes& wishes);

// A row of groups, in the order of their indexes, with gaps before, between and behind: gap i is in
// front of group `row[i]`. Ops of no group of the row may stand in an open gap only, those of a
// device in any.
struct GappedRow {
  std::vector<uint32_t> row;
  std::vector<bool> open;  // one more than groups
};
// Puts every op that the row does not list into the first gap that data flow allows, by adding
// orders. Returns an op for which there is none, if there is one.
std::optional<OpId> FillGaps(const Graph& graph, const GappedRow& gaps, ModelWishes& wishes);

}  // namespace tinyai
