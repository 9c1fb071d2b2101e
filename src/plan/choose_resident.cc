#include <algorithm>
#include <numeric>
#include <vector>

#include "base/checked.h"
#include "base/units.h"
#include "fmt/format.h"
#include "plan/draft.h"

namespace tinyai {
namespace {

ModelWishes::Stay StayOf(const PlanDraft& draft, WeightId id) {
  const ModelWishes* const wishes = draft.request.wishes;
  return wishes == nullptr ? ModelWishes::Stay::kChosen : wishes->StayOf(id);
}

// Of those slices whose residency is ours to choose, marks about `stream_bytes` of the slices as
// streamed, evenly along the pass: a slice is streamed when the share of the bytes so far that
// should be has grown by half of it.
void SpreadStreamed(PlanDraft& draft, uint64_t stream_bytes, uint64_t total_bytes) {
  const double share = static_cast<double>(stream_bytes) / static_cast<double>(total_bytes);
  double owed = 0;
  for (Slice& slice : draft.slices) {
    slice.resident = !slice.can_stream || slice.stay != ModelWishes::Stay::kStreamed;
    if (!slice.can_stream || slice.stay != ModelWishes::Stay::kChosen) continue;
    owed += static_cast<double>(slice.bytes) * share;
    if (owed * 2 >= static_cast<double>(slice.bytes)) {
      slice.resident = false;
      owed -= static_cast<double>(slice.bytes);
    }
  }
}

uint64_t LayOut(std::vector<Slice>& slices, const std::vector<size_t>& file_order, uint64_t block,
                std::vector<PlanDraft::ResidentRun>& runs) {
  uint64_t arena = 0;
  runs.clear();
  for (const size_t index : file_order) {
    Slice& slice = slices[index];
    if (!slice.resident) continue;
    const uint64_t begin = RoundDown(slice.file_begin, block);
    const uint64_t end = RoundUp(slice.file_end(), block);
    const bool extends =
        !runs.empty() && runs.back().part == slice.part && begin <= runs.back().file_end;
    if (!extends) runs.push_back({slice.part, begin, begin, arena});
    PlanDraft::ResidentRun& run = runs.back();
    if (end > run.file_end) {
      arena += end - run.file_end;
      run.file_end = end;
    }
    slice.arena_offset = run.arena_offset + (slice.file_begin - run.file_begin);
  }
  return arena;
}

std::vector<size_t> FileOrder(const std::vector<Slice>& slices) {
  std::vector<size_t> order(slices.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const Slice &x = slices[a], &y = slices[b];
    return std::pair(x.part, x.file_begin) < std::pair(y.part, y.file_begin);
  });
  return order;
}

// A whole embedding table only has rows taken, so it saves least per byte: it stays only when
// everything else does, or by wish. Returns the arena bytes it adds.
uint64_t KeepEmbedding(PlanDraft& draft, uint64_t arena_used, uint64_t budget) {
  draft.embedding_resident = false;
  for (const Op& op : draft.graph.ops) {
    if (!std::holds_alternative<op::Embed>(op.kind)) continue;
    const WeightId id = op.weights[0];
    const Weight& table = draft.graph.weight(id);
    const ModelWishes::Stay stay = StayOf(draft, id);
    if (stay == ModelWishes::Stay::kStreamed) return 0;
    const auto first = std::find_if(draft.slices.begin(), draft.slices.end(),
                                    [id](const Slice& slice) { return slice.weight == id; });
    const bool whole =
        std::none_of(draft.slices.begin(), draft.slices.end(),
                     [id](const Slice& slice) { return slice.weight == id && !slice.resident; });
    if (!whole) return 0;
    if (first != draft.slices.end()) {  // tied: its slices lie one after the other in one run
      draft.embedding_resident = true;
      draft.embedding_offset = first->arena_offset;
      return 0;
    }
    const uint64_t begin = RoundDown(table.offset, draft.request.io_alignment);
    const uint64_t end = RoundUp(table.offset + table.bytes, draft.request.io_alignment);
    const bool fits = end - begin <= budget - std::min(budget, arena_used);
    if (!fits && stay != ModelWishes::Stay::kPinned) return 0;
    draft.runs.push_back({table.part, begin, end, arena_used});
    draft.embedding_resident = true;
    draft.embedding_offset = arena_used + (table.offset - begin);
    return end - begin;
  }
  return 0;
}

// Whether the table that rows are taken from stays by wish, and the bytes of one that is no slices.
struct PinnedEmbedding {
  bool pinned = false;
  uint64_t bytes = 0;
};
PinnedEmbedding FindPinnedEmbedding(const PlanDraft& draft) {
  for (const Op& op : draft.graph.ops) {
    if (!std::holds_alternative<op::Embed>(op.kind)) continue;
    const WeightId id = op.weights[0];
    if (StayOf(draft, id) != ModelWishes::Stay::kPinned) return {};
    const bool sliced = std::any_of(draft.slices.begin(), draft.slices.end(),
                                    [id](const Slice& slice) { return slice.weight == id; });
    const Weight& table = draft.graph.weight(id);
    const uint64_t block = draft.request.io_alignment;
    const uint64_t bytes =
        RoundUp(table.offset + table.bytes, block) - RoundDown(table.offset, block);
    return {true, sliced ? 0 : bytes};
  }
  return {};
}

void ExplainEmbedding(PlanDraft& draft, std::string why) {
  if (!draft.graph.is_text()) return;
  draft.reasons.Add("embedding",
                    fmt::format("{}: {}",
                                draft.embedding_resident ? "the whole table stays"
                                                         : "rows are read when their token comes",
                                why));
}

void ExplainWishes(PlanDraft& draft) {
  if (!draft.reasons.wanted() || draft.request.wishes == nullptr) return;
  size_t pinned = 0, evicted = 0;
  for (const Slice& slice : draft.slices) {
    pinned += slice.stay == ModelWishes::Stay::kPinned;
    evicted += slice.can_stream && slice.stay == ModelWishes::Stay::kStreamed;
  }
  draft.reasons.Add("weights", fmt::format("the schedule pins {} of {} slices and evicts {}",
                                           pinned, draft.slices.size(), evicted));
}

void ExplainAllStay(PlanDraft& draft, uint64_t used, uint64_t room) {
  if (!draft.reasons.wanted()) return;
  const bool all = std::all_of(draft.slices.begin(), draft.slices.end(),
                               [](const Slice& slice) { return slice.resident; });
  if (!all) {
    draft.reasons.Add("weights", fmt::format("all that is not evicted stays: it takes {} of {}",
                                             FormatByteSize(used), FormatByteSize(room)));
    return;
  }
  draft.reasons.Add(
      "weights", fmt::format("all {} slices stay: their blocks take {} of {}", draft.slices.size(),
                             FormatByteSize(used), FormatByteSize(room)));
  ExplainEmbedding(draft, draft.embedding_resident
                              ? "all other weights stay, and there is room for it"
                              : "a token needs one row of the table, which is larger than what is "
                                "left");
}

void ExplainStreaming(PlanDraft& draft, uint64_t kept, uint64_t room) {
  if (!draft.reasons.wanted()) return;
  size_t streamed = 0, vectors = 0;
  uint64_t streamed_bytes = 0;
  for (const Slice& slice : draft.slices) {
    vectors += slice.can_stream ? 0 : 1;
    if (slice.resident) continue;
    ++streamed;
    streamed_bytes += slice.bytes;
  }
  draft.reasons.Add(
      "weights",
      fmt::format("{} of {} slices stay, in {} of {} that the other buffers leave: as many bytes "
                  "as fit, since a pass reads everything else once whichever slices these are",
                  draft.slices.size() - streamed, draft.slices.size(), FormatByteSize(kept),
                  FormatByteSize(room)));
  draft.reasons.Add(
      "weights",
      fmt::format("{} vectors stay in any case: a request costs more than their bytes", vectors));
  draft.reasons.Add(
      "weights",
      fmt::format("{} slices ({}) are streamed, spread evenly over the pass: so the disk reads one "
                  "while ops compute with slices that stay, and neither waits for the other long",
                  streamed, FormatByteSize(streamed_bytes)));
  ExplainEmbedding(draft,
                   "a byte of the table saves less reading than one of the other weights, "
                   "and these do not all fit");
}

}  // namespace

uint64_t ChooseResident(PlanDraft& draft, uint64_t resident_budget_bytes) {
  const std::vector<size_t> file_order = FileOrder(draft.slices);
  const PinnedEmbedding embedding = FindPinnedEmbedding(draft);
  const uint64_t room = resident_budget_bytes - std::min(resident_budget_bytes, embedding.bytes);
  uint64_t total = 0;
  for (const Slice& slice : draft.slices) {
    const bool free = slice.can_stream && slice.stay == ModelWishes::Stay::kChosen;
    total += free ? slice.bytes : 0;
  }
  const auto used_when_streaming = [&](uint64_t stream_bytes) {
    SpreadStreamed(draft, stream_bytes, std::max<uint64_t>(1, total));
    return LayOut(draft.slices, file_order, draft.request.io_alignment, draft.runs);
  };
  const uint64_t used = used_when_streaming(0);
  ExplainWishes(draft);
  if (used <= room) {
    const uint64_t table = KeepEmbedding(draft, used, resident_budget_bytes);
    ExplainAllStay(draft, used, resident_budget_bytes);
    return used + table;
  }
  uint64_t too_little = 0, enough = total;  // bytes to stream: the least that fits, within a slice
  const uint64_t precision = std::max<uint64_t>(1, draft.sizes.slice_bytes / 8);
  while (enough - too_little > precision) {
    const uint64_t middle = too_little + (enough - too_little) / 2;
    (used_when_streaming(middle) <= room ? enough : too_little) = middle;
  }
  draft.embedding_resident = false;
  uint64_t kept = used_when_streaming(enough);
  if (embedding.pinned) kept += KeepEmbedding(draft, kept, resident_budget_bytes);
  ExplainStreaming(draft, kept, resident_budget_bytes);
  return kept;
}

uint64_t LayOut(std::vector<Slice>& slices, uint64_t block,
                std::vector<PlanDraft::ResidentRun>& runs) {
  return LayOut(slices, FileOrder(slices), block, runs);
}

uint64_t KeepSlices(PlanDraft& draft, const std::vector<bool>& stays) {
  for (size_t i = 0; i < stays.size(); ++i) draft.slices[i].resident = stays[i];
  return LayOut(draft.slices, draft.request.io_alignment, draft.runs);
}

uint64_t ResidentBytesOfAll(PlanDraft& draft) {
  SpreadStreamed(draft, 0, 1);
  return LayOut(draft.slices, draft.request.io_alignment, draft.runs) +
         FindPinnedEmbedding(draft).bytes;
}

}  // namespace tinyai
