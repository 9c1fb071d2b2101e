#include <algorithm>
#include <vector>

#include "base/checked.h"
#include "base/row_group.h"
#include "plan/draft.h"

namespace tinyai {
namespace {

ModelWishes::Stay StayOf(const PlanDraft& draft, WeightId id) {
  const ModelWishes* const wishes = draft.request.wishes;
  return wishes == nullptr ? ModelWishes::Stay::kChosen : wishes->StayOf(id);
}

// Rows of a matrix of which the wishes say the same.
struct Stretch {
  uint64_t begin, end;
  ModelWishes::Stay stay;
};
std::vector<Stretch> StretchesOf(const PlanDraft& draft, WeightId id) {
  const uint64_t rows = draft.graph.weight(id).rows;
  const ModelWishes* const wishes = draft.request.wishes;
  if (wishes == nullptr) return {{0, rows, ModelWishes::Stay::kChosen}};
  std::vector<Stretch> said;
  for (const ModelWishes::StayRows& some : wishes->stay_rows) {
    if (some.weight == id) said.push_back({some.begin, some.end, some.stay});
  }
  std::sort(said.begin(), said.end(),
            [](const Stretch& a, const Stretch& b) { return a.begin < b.begin; });
  std::vector<Stretch> out;
  uint64_t done = 0;
  for (const Stretch& stretch : said) {
    if (done < stretch.begin) out.push_back({done, stretch.begin, wishes->StayOf(id)});
    out.push_back(stretch);
    done = stretch.end;
  }
  if (done < rows) out.push_back({done, rows, wishes->StayOf(id)});
  return out;
}

Slice WholeSlice(const PlanDraft& draft, OpId op, WeightId id) {
  const Weight& weight = draft.graph.weight(id);
  return {.op = op,
          .weight = id,
          .row_begin = 0,
          .row_end = weight.rows,
          .bytes = weight.bytes,
          .part = weight.part,
          .file_begin = weight.offset,
          .can_stream = false,
          .stay = StayOf(draft, id)};
}

void SliceStretch(PlanDraft& draft, OpId op, WeightId id, const Stretch& stretch) {
  const Weight& weight = draft.graph.weight(id);
  const uint64_t all = stretch.end - stretch.begin;
  const uint64_t most_rows = std::max<uint64_t>(1, draft.sizes.slice_bytes / weight.row_bytes());
  const uint64_t count = CeilDiv(all, most_rows);
  uint64_t rows = CeilDiv(all, count);
  if (RoundUp(rows, kRowGroup) <= most_rows) {
    rows = RoundUp(rows, kRowGroup);
  } else if (rows > kRowGroup) {
    rows = RoundDown(rows, kRowGroup);
  }
  for (uint64_t begin = stretch.begin; begin < stretch.end; begin += rows) {
    const uint64_t end = std::min(stretch.end, begin + rows);
    draft.slices.push_back({.op = op,
                            .weight = id,
                            .row_begin = begin,
                            .row_end = end,
                            .bytes = (end - begin) * weight.row_bytes(),
                            .part = weight.part,
                            .file_begin = weight.offset + begin * weight.row_bytes(),
                            .stay = stretch.stay});
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
  draft.device_slices.clear();
  std::vector<bool> seen(draft.graph.weights.size()), seen_on_device = seen;
  const std::vector<bool> whole = TakenWhole(draft.graph);
  for (const OpId id : draft.order) {
    const Op& op = draft.graph.ops[Index(id)];
    if (std::holds_alternative<op::Embed>(op.kind)) continue;
    for (const WeightId weight_id : op.weights) {
      if (IsOnDevice(draft.request, id)) {
        if (!seen_on_device[Index(weight_id)]) {
          draft.device_slices.push_back(WholeSlice(draft, id, weight_id));
        }
        seen_on_device[Index(weight_id)] = true;
        continue;
      }
      if (seen[Index(weight_id)]) continue;
      seen[Index(weight_id)] = true;
      if (!whole[Index(weight_id)]) {
        for (const Stretch& stretch : StretchesOf(draft, weight_id)) {
          SliceStretch(draft, id, weight_id, stretch);
        }
      } else {
        draft.slices.push_back(WholeSlice(draft, id, weight_id));
      }
    }
  }
  draft.device_weight_bytes =
      LayOut(draft.device_slices, draft.request.io_alignment, draft.device_runs);
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
