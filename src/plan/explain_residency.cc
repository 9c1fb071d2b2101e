#include <algorithm>
#include <unordered_map>

#include "fmt/format.h"
#include "plan/model_net.h"
#include "solve/chain.h"

namespace tinyai {
namespace {

// Seconds that the CPU takes for each op of the graph, all pieces together.
std::unordered_map<size_t, double> ComputeSeconds(const ModelNet& model) {
  std::unordered_map<size_t, double> seconds;
  for (size_t i = 0; i < model.work.size(); ++i) {
    const auto* const run = std::get_if<step::Run>(&model.work[i]);
    if (run != nullptr) seconds[Index(run->op)] += model.net.ops[i].choices[0].seconds;
  }
  return seconds;
}

}  // namespace

ChainProblem ResidencyChain(const PlanDraft& draft, const ModelNet& model,
                            uint64_t resident_bytes) {
  std::unordered_map<size_t, double> seconds = ComputeSeconds(model);
  std::vector<std::vector<const Slice*>> slices_of(draft.graph.ops.size());
  for (const Slice& slice : draft.slices) slices_of[Index(slice.op)].push_back(&slice);
  ChainProblem out;
  out.ring_bytes = draft.ring_slots() * draft.slot_bytes;
  out.memory_bytes = resident_bytes + out.ring_bytes;
  double before = 0;  // of ops without slices, until there is one
  for (const OpId op : draft.order) {
    uint64_t bytes = 0;
    for (const Slice* slice : slices_of[Index(op)]) {
      if (slice->can_stream) bytes += slice->bytes;
      if (!slice->can_stream) out.memory_bytes -= std::min(out.memory_bytes, slice->bytes);
    }
    before += bytes == 0 ? seconds[Index(op)] : 0;
    for (const Slice* slice : slices_of[Index(op)]) {
      if (!slice->can_stream) continue;
      const double part = static_cast<double>(slice->bytes) / static_cast<double>(bytes);
      const double load =
          static_cast<double>(slice->bytes) / draft.request.rates.disk_bytes_per_second;
      out.ops.push_back({slice->bytes, load, seconds[Index(op)] * part + before});
      before = 0;
    }
  }
  if (!out.ops.empty()) out.ops.back().compute_seconds += before;
  return out;
}

SearchLimits LimitsFor(const PlanRequest& request, const ChainProblem& chain,
                       size_t most_searched) {
  SearchLimits out = request.limits;
  if (out.effort == Effort::kNormal && chain.ops.size() > most_searched) out.effort = Effort::kFast;
  return out;
}

void ExplainResidency(const PlanDraft& draft, const ModelNet& model, uint64_t resident_bytes,
                      double pass_seconds, Reasons& reasons) {
  const bool streams = std::any_of(draft.slices.begin(), draft.slices.end(),
                                   [](const Slice& slice) { return !slice.resident; });
  if (!reasons.wanted() || !streams || draft.request.wishes != nullptr) return;
  const ChainProblem chain = ResidencyChain(draft, model, resident_bytes);
  constexpr size_t kFewOps = 24;  // a search ends
  const std::optional<ChainResult> best =
      SolveChain(chain, LimitsFor(draft.request, chain, kFewOps));
  if (!best) return;
  const double least = best->lower_bound_seconds;
  reasons.Add("weights",
              fmt::format("a pass takes {:.4g} ms; no choice of what stays and when the rest is "
                          "read, with these slices in this memory and a ring of this size or more, "
                          "takes less than {:.4g} ms ({:.2f} "
                          "% less), and the best one found takes {:.4g} ms without waits for "
                          "anything else",
                          pass_seconds * 1e3, least * 1e3, 100 * (1 - least / pass_seconds),
                          best->period_seconds * 1e3));
}

}  // namespace tinyai
