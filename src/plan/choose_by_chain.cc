#include <algorithm>

#include "plan/draft.h"
#include "plan/model_net.h"
#include "solve/chain.h"

namespace tinyai {
namespace {

// A pass that is so much longer than no choice can be shorter than is worth another plan.
constexpr double kWorth = 0.005;
// Of so many ops a search of the chain ends in some hundredths of a second.
constexpr size_t kMostSearched = 16;

// Whether wishes leave it all to us: what stays, and what is read when.
bool IsFree(const PlanRequest& request) {
  if (request.wishes == nullptr) return true;
  const ModelWishes& wishes = *request.wishes;
  return wishes.stay.empty() && wishes.stay_rows.empty() && wishes.loads.empty() &&
         wishes.ahead.empty() && wishes.loads_after.empty() && wishes.loads_before.empty();
}

// Which slices the chain's ops are; the others stay.
std::vector<bool> StaysBySlice(const PlanDraft& draft, const std::vector<bool>& stays) {
  std::vector<bool> out;
  size_t op = 0;
  for (const Slice& slice : draft.slices) out.push_back(!slice.can_stream || stays[op++]);
  return out;
}

}  // namespace

std::optional<ResidencyChoice> ChooseByChain(const PlanDraft& draft, const ModelNet& model,
                                             uint64_t resident_room, double pass_seconds) {
  const bool streams = std::any_of(draft.slices.begin(), draft.slices.end(),
                                   [](const Slice& slice) { return !slice.resident; });
  if (!streams || !IsFree(draft.request)) return std::nullopt;
  const ChainProblem chain = ResidencyChain(draft, model, resident_room);
  if (ChainBound(chain) >= pass_seconds * (1 - kWorth)) return std::nullopt;
  const std::optional<ChainResult> best =
      SolveChain(chain, LimitsFor(draft.request, chain, kMostSearched));
  if (!best || best->period_seconds >= pass_seconds * (1 - kWorth)) return std::nullopt;
  ResidencyChoice out{draft, 0, best->period_seconds};
  out.resident_bytes = KeepSlices(out.draft, StaysBySlice(draft, best->stays));
  const uint64_t both = resident_room + draft.ring_slots() * draft.slot_bytes;
  const uint64_t slots = (both - std::min(both, out.resident_bytes)) / draft.slot_bytes;
  if (slots < draft.ring_slots()) return std::nullopt;
  out.draft.sizes.ring_slots = static_cast<uint32_t>(slots);
  return out;
}

}  // namespace tinyai
