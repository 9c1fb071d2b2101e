#include <algorithm>
#include <cmath>
#include <tuple>

#include "plan/compile_net.h"
#include "plan/draft_net.h"

namespace tinyai {
namespace {

// Plans of one order at the same places and in the same buffers: they differ in their syncs alone.
class SyncCurveFinder {
 public:
  SyncCurveFinder(const TaskNet& net, const NetDraft& draft, const PlannedNet& planned)
      : net_(net),
        draft_(draft),
        planned_(planned),
        needs_(Needs(net)),
        reuse_(ReuseNeeds(net, draft.order, draft.place_of, planned.plan)),
        queues_(QueuesOf(net, draft)) {}

  std::vector<SyncPoint> Find() {
    const double makespan = planned_.simulation.makespan;
    for (const double longer : {0.0, 0.03, 0.1}) {
      for (const double share : {0.25, 0.5, 0.75}) Try(makespan * (1 + longer), share);
    }
    const double equal = makespan * 1e-6;
    std::stable_sort(found_.begin(), found_.end(), [&](const Found& a, const Found& b) {
      return std::tuple(std::round(a.point.makespan / equal), a.point.syncs) <
             std::tuple(std::round(b.point.makespan / equal), b.point.syncs);
    });
    std::vector<SyncPoint> curve = {PointOf(planned_.plan, makespan)};
    for (const Found& found : found_) {
      // The checker is asked only where it matters: it takes longer than the plan.
      const bool fewer = found.point.syncs < curve.back().syncs;
      if (fewer && CheckNetPlan(net_, found.plan)) curve.push_back(found.point);
    }
    return curve;
  }

 private:
  struct Found {
    SyncPoint point;
    NetPlan plan;
  };
  static SyncPoint PointOf(const NetPlan& plan, double makespan) {
    return {plan.syncs(), plan.fences.size(), makespan};
  }

  void Try(double period, double share) {
    std::vector<NetNeed> extra = MergeWaits(net_, draft_.order, planned_.plan, period, share);
    const bool new_one =
        !extra.empty() && std::find(tried_.begin(), tried_.end(), extra) == tried_.end();
    if (!new_one) return;
    NetPlan plan = planned_.plan;
    DeriveSyncs(net_, queues_, {needs_, extra, reuse_}, plan);
    tried_.push_back(std::move(extra));
    const SyncPoint point = PointOf(plan, Simulate(net_, plan).makespan);
    found_.push_back({point, std::move(plan)});
  }

  const TaskNet& net_;
  const NetDraft& draft_;
  const PlannedNet& planned_;
  const std::vector<NetNeed> needs_, reuse_;
  const QueueOrders queues_;
  std::vector<std::vector<NetNeed>> tried_;
  std::vector<Found> found_;
};

}  // namespace

std::vector<SyncPoint> SyncCurve(const TaskNet& net, const NetDraft& draft,
                                 const PlannedNet& planned) {
  return SyncCurveFinder(net, draft, planned).Find();
}

}  // namespace tinyai
