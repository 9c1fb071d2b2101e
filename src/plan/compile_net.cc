#include "plan/compile_net.h"

#include "base/units.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

QueueOrders SplitByPlace(const TaskNet& net, const std::vector<NetOpId>& order,
                         const std::vector<PlaceId>& place_of) {
  QueueOrders queues(net.places.size());
  for (const NetOpId op : order) queues[Index(place_of[Index(op)])].push_back(op);
  return queues;
}

Status CheckHeights(const TaskNet& net, const std::vector<Bounded>& peaks) {
  for (size_t i = 0; i < peaks.size(); ++i) {
    const NetMemory& memory = net.memories[i];
    if (peaks[i].value <= memory.budget_bytes) continue;
    const bool proved = peaks[i].lower_bound > memory.budget_bytes;
    return Fail(
        ErrorCode::kBudget, "BUDGET_INFEASIBLE",
        fmt::format("memory {}: this order needs {} {} bytes, the budget is {}; need={} ({})",
                    memory.name, proved ? "at least" : "as far as was searched",
                    proved ? peaks[i].lower_bound : peaks[i].value, memory.budget_bytes,
                    peaks[i].value, FormatByteSize(peaks[i].value)));
  }
  return {};
}

}  // namespace

Result<PlannedNet> PlanInOrder(const TaskNet& net, const std::vector<NetOpId>& order,
                               const std::vector<PlaceId>& place_of) {
  PlannedNet out;
  out.peaks = PlaceNetBuffers(net, order, place_of, out.plan);
  TRY(CheckHeights(net, out.peaks));
  std::vector<NetNeed> needs = Needs(net);
  const std::vector<NetNeed> reuse = ReuseNeeds(net, order, place_of, out.plan);
  needs.insert(needs.end(), reuse.begin(), reuse.end());
  DeriveSyncs(net, SplitByPlace(net, order, place_of), needs, out.plan);
  TRY(CheckNetPlan(net, out.plan));
  out.simulation = Simulate(net, out.plan);
  out.syncs = {out.plan.syncs(), 0};
  return out;
}

}  // namespace tinyai
