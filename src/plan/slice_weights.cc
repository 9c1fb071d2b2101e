#include <algorithm>
#include <vector>

#include "base/checked.h"
#include "plan/draft.h"

namespace tinyai {
namespace {

// Rows of a slice are a multiple of this where they can be: kernels work on groups of rows.
constexpr uint64_t kRowGroup = 16;

void SliceMatrix(PlanDraft& draft, OpId op, WeightId id) {
  const Weight& weight = draft.graph.weight(id);
  const uint64_t most_rows = std::max<uint64_t>(1, draft.sizes.slice_bytes / weight.row_bytes());
  const uint64_t count = CeilDiv(weight.rows, most_rows);
  uint64_t rows = CeilDiv(weight.rows, count);
  if (RoundUp(rows, kRowGroup) <= most_rows) {
    rows = RoundUp(rows, kRowGroup);
  } else if (rows > kRowGroup) {
    rows = RoundDown(rows, kRowGroup);
  }
  for (uint64_t begin = 0; begin < weight.rows; begin += rows) {
    const uint64_t end = std::min(weight.rows, begin + rows);
    draft.slices.push_back({.op = op,
                            .weight = id,
                            .row_begin = begin,
                            .row_end = end,
                            .bytes = (end - begin) * weight.row_bytes(),
                            .part = weight.part,
                            .file_begin = weight.offset + begin * weight.row_bytes()});
  }
}

// By weight: whether some op takes it all at once.
std::vector<bool> TakenWhole(const Graph& graph) {
  std::vector<bool> whole(graph.weights.size());
  for (const Op& op : graph.ops) {
    if (std::holds_alternative<op::Embed>(op.kind)) continue;
    for (size_t i = IsProduct(op.kind) ? 1 : 0; i < op.weights.size(); ++i) {
      whole[Index(op.weights[i])] = true;
    }
  }
  return whole;
}

}  // namespace

void SliceWeights(PlanDraft& draft) {
  draft.slices.clear();
  std::vector<bool> seen(draft.graph.weights.size());
  const std::vector<bool> whole = TakenWhole(draft.graph);
  for (const OpId id : draft.order) {
    const Op& op = draft.graph.ops[Index(id)];
    if (std::holds_alternative<op::Embed>(op.kind)) continue;
    for (const WeightId weight_id : op.weights) {
      if (seen[Index(weight_id)]) continue;
      seen[Index(weight_id)] = true;
      if (!whole[Index(weight_id)]) {
        SliceMatrix(draft, id, weight_id);
      } else {
        const Weight& weight = draft.graph.weight(weight_id);
        draft.slices.push_back({.op = id,
                                .weight = weight_id,
                                .row_begin = 0,
                                .row_end = weight.rows,
                                .bytes = weight.bytes,
                                .part = weight.part,
                                .file_begin = weight.offset,
                                .can_stream = false});
      }
    }
  }
}

uint64_t SlotBytes(const PlanDraft& draft) {
  const uint64_t block = draft.request.io_alignment;
  uint64_t most = 0;
  for (const Slice& slice : draft.slices) {
    if (!slice.can_stream) continue;
    most = std::max(most, RoundUp(slice.file_end(), block) - RoundDown(slice.file_begin, block));
  }
  return most;
}

}  // namespace tinyai
