#include <algorithm>

#include "plan/net_passes.h"

namespace tinyai {
namespace {

// Commands that the checker follows in all: some milliseconds, and about a second.
constexpr uint64_t kMostFollowedFast = uint64_t{1} << 16, kMostFollowed = uint64_t{1} << 21;

// Fences that nobody waits for, and that nobody asked for, go; the others are numbered anew.
void DropFences(const TaskNet& net, NetPlan& plan) {
  std::vector<bool> stays(plan.fences.size(), false);
  for (const std::vector<NetCommand>& queue : plan.queues) {
    for (const NetCommand& command : queue) {
      for (const NetSync& sync : command.syncs) stays[sync.fence] = true;
    }
  }
  std::vector<uint32_t> number(plan.fences.size());
  uint32_t next = 0;
  for (size_t i = 0; i < plan.fences.size(); ++i) {
    const NetFence& fence = plan.fences[i];
    const NetOpId op = plan.queues[Index(fence.place)][fence.command].op;
    const bool given =
        std::find(net.fixed_fences.begin(), net.fixed_fences.end(), op) != net.fixed_fences.end();
    if (!stays[i] && !given) continue;
    number[i] = next;
    plan.fences[next++] = fence;
  }
  plan.fences.resize(next);
  for (std::vector<NetCommand>& queue : plan.queues) {
    for (NetCommand& command : queue) {
      for (NetSync& sync : command.syncs) sync.fence = number[sync.fence];
    }
  }
}

// False, and the plan as it was, if the sync is needed.
bool Drop(const TaskNet& net, const SyncCause& cause, NetPlan& plan) {
  NetSyncs& syncs = plan.queues[Index(cause.place)][cause.command].syncs;
  const NetSync dropped = syncs[cause.sync];
  syncs.erase(syncs.begin() + cause.sync);
  if (CheckNetPlan(net, plan)) return true;
  syncs.insert(syncs.begin() + cause.sync, dropped);
  return false;
}

}  // namespace

void DropSyncs(const TaskNet& net, const SearchLimits& limits, NetPlan& plan,
               std::vector<SyncCause>& causes) {
  const uint64_t most = limits.effort == Effort::kFast ? kMostFollowedFast : kMostFollowed;
  if (net.loops || causes.size() * net.ops.size() > most) return;
  std::vector<SyncCause> kept;
  for (size_t i = 0; i < causes.size(); ++i) {
    const SyncCause& cause = causes[i];
    if (!Drop(net, cause, plan)) {
      kept.push_back(cause);
      continue;
    }
    for (std::vector<SyncCause>* some : {&kept, &causes}) {
      for (SyncCause& other : *some) {
        const bool shifts =
            other.place == cause.place && other.command == cause.command && other.sync > cause.sync;
        if (shifts) --other.sync;
      }
    }
  }
  if (kept.size() == causes.size()) return;
  causes = std::move(kept);
  DropFences(net, plan);
}

}  // namespace tinyai
