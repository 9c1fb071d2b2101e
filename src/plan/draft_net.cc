#include "plan/draft_net.h"

#include <algorithm>
#include <functional>
#include <queue>

#include "solve/least_syncs.h"
#include "solve/order.h"
#include "solve/placement.h"
#include "solve/sync_placement.h"
#include "solve/sync_two_places.h"

namespace tinyai {
namespace {

// Ops by `rank`, the least that is ready first.
template <typename Rank>
std::vector<NetOpId> OrderBy(const std::vector<NetNeed>& needs, const std::vector<Rank>& rank) {
  const NeedLists after = NeedLists::ByEarlier(needs, rank.size());
  std::vector<uint32_t> missing(rank.size(), 0);
  for (const NetNeed& need : needs) missing[Index(need.later)] += need.distance == 0;
  using Entry = std::pair<Rank, NetOpId>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
  for (size_t i = 0; i < rank.size(); ++i) {
    if (missing[i] == 0) ready.emplace(rank[i], NetOpId(i));
  }
  std::vector<NetOpId> order;
  order.reserve(rank.size());
  while (!ready.empty()) {
    const NetOpId op = ready.top().second;
    ready.pop();
    order.push_back(op);
    for (const NetNeed& need : after.of(op)) {
      if (need.distance != 0 || --missing[Index(need.later)] != 0) continue;
      ready.emplace(rank[Index(need.later)], need.later);
    }
  }
  return order;
}

SyncNet ToSyncNet(const TaskNet& net, const std::vector<NetNeed>& needs) {
  SyncNet out;
  out.places = static_cast<uint32_t>(net.places.size());
  out.place.resize(net.ops.size());
  out.edges.reserve(needs.size());
  for (const NetNeed& need : needs) {
    if (need.distance == 0) {
      out.edges.push_back({static_cast<uint32_t>(need.earlier), static_cast<uint32_t>(need.later)});
    }
  }
  return out;
}

// Goes through the queues together, and writes each sync down as a need of the next op of its
// queue.
void Follow(const SyncSchedule& schedule, NetDraft& draft) {
  using Kind = SyncCommand::Kind;
  const size_t places = schedule.queues.size();
  std::vector<size_t> at(places, 0);
  std::vector<std::optional<uint32_t>> last(places);  // op that ran
  std::vector<std::optional<NetOpId>> fence_after;    // by fence
  std::vector<bool> recorded;
  std::vector<std::vector<uint32_t>> waits(places);  // fences since the last op
  const auto at_least = [&](uint32_t fence) {
    if (fence < recorded.size()) return;
    recorded.resize(fence + 1);
    fence_after.resize(fence + 1);
  };
  draft.order.reserve(draft.place_of.size());
  bool moved = true;
  while (moved) {
    moved = false;
    for (size_t place = 0; place < places; ++place) {
      for (; at[place] < schedule.queues[place].size(); ++at[place]) {
        const SyncCommand& command = schedule.queues[place][at[place]];
        if (command.kind != Kind::kRun) at_least(command.id);
        if (command.kind == Kind::kSync) {
          if (!recorded[command.id]) break;
          waits[place].push_back(command.id);
        } else if (command.kind == Kind::kFence) {
          recorded[command.id] = true;
          if (last[place]) fence_after[command.id] = NetOpId(*last[place]);
        } else {
          for (const uint32_t fence : waits[place]) {
            if (fence_after[fence]) {
              draft.extra.push_back(
                  {*fence_after[fence], NetOpId(command.id), 0, NetNeed::Kind::kOrder});
            }
          }
          waits[place].clear();
          last[place] = command.id;
          draft.order.push_back(NetOpId(command.id));
        }
        moved = true;
      }
    }
  }
}

// Where ops are in their queues, in the order of a draft.
std::vector<uint32_t> Positions(const TaskNet& net, const NetDraft& draft) {
  std::vector<uint32_t> next(net.places.size(), 0), out(net.ops.size());
  for (const NetOpId op : draft.order) out[Index(op)] = next[Index(draft.place_of[Index(op)])]++;
  return out;
}

// Syncs that are given do their part of what the draft's would do; what they leave is derived.
void LeaveOutFixed(const TaskNet& net, const std::vector<uint32_t>& at, NetDraft& draft) {
  std::erase_if(draft.extra, [&](const NetNeed& need) {
    return std::any_of(net.fixed_syncs.begin(), net.fixed_syncs.end(),
                       [&](const NetFixedSync& sync) {
                         const auto place = [&](NetOpId op) { return draft.place_of[Index(op)]; };
                         return sync.distance == 0 && place(sync.recorder) == place(need.earlier) &&
                                place(sync.waiter) == place(need.later) &&
                                at[Index(sync.recorder)] <= at[Index(need.earlier)] &&
                                at[Index(need.later)] <= at[Index(sync.waiter)];
                       });
  });
}

// Between two places each fence is right after the last op that anyone who waits for it needs: what
// else runs before the next fence need not be waited for.
void RecordEarly(const std::vector<NetNeed>& needs, const std::vector<uint32_t>& at,
                 NetDraft& draft) {
  constexpr uint32_t kNone = ~uint32_t{0};
  std::vector<uint32_t> sync_before(at.size(), kNone);  // by op: the last sync of its queue
  for (uint32_t i = 0; i < draft.extra.size(); ++i) sync_before[Index(draft.extra[i].later)] = i;
  std::vector<uint32_t> last;
  for (const NetOpId op : draft.order) {
    const size_t place = Index(draft.place_of[Index(op)]);
    if (last.size() <= place) last.resize(place + 1, kNone);
    if (sync_before[Index(op)] != kNone) last[place] = sync_before[Index(op)];
    sync_before[Index(op)] = last[place];
  }
  std::vector<std::optional<NetOpId>> needed(draft.extra.size());
  for (const NetNeed& need : needs) {
    const uint32_t sync = sync_before[Index(need.later)];
    const bool crosses = draft.place_of[Index(need.earlier)] != draft.place_of[Index(need.later)];
    if (!crosses || sync == kNone || need.distance != 0) continue;
    std::optional<NetOpId>& latest = needed[sync];
    if (!latest || at[Index(*latest)] < at[Index(need.earlier)]) latest = need.earlier;
  }
  for (uint32_t i = 0; i < draft.extra.size(); ++i) {
    NetOpId& fence = draft.extra[i].earlier;
    if (needed[i] && at[Index(*needed[i])] < at[Index(fence)]) fence = *needed[i];
  }
}

// A wait of a plan: for the op that the fence is recorded behind.
struct Wait {
  NetOpId recorder{}, waiter{};
  PlaceId from{}, at{};
  uint32_t distance = 0;
};

// Those outside of arms.
std::vector<Wait> WaitsOf(const TaskNet& net, const NetPlan& plan) {
  std::vector<Wait> waits;
  for (uint32_t place = 0; place < plan.queues.size(); ++place) {
    for (const NetCommand& command : plan.queues[place]) {
      for (const NetSync& sync : command.syncs) {
        const NetFence& fence = plan.fences[sync.fence];
        const NetOpId recorder = plan.queues[Index(fence.place)][fence.command].op;
        const bool sure =
            net.op(command.op).region == RegionId{} && net.op(recorder).region == RegionId{};
        if (sure)
          waits.push_back({recorder, command.op, fence.place, PlaceId(place), sync.distance});
      }
    }
  }
  return waits;
}

}  // namespace

std::vector<NetOpId> OrderLikeProgram(const TaskNet& net, const std::vector<NetNeed>& needs) {
  std::vector<NetOpId> program(net.ops.size());
  for (size_t i = 0; i < program.size(); ++i) program[i] = NetOpId(i);
  const bool possible = std::all_of(needs.begin(), needs.end(), [](const NetNeed& need) {
    return need.distance != 0 || need.earlier < need.later;
  });
  return possible ? program : OrderBy(needs, program);
}

QueueOrders QueuesOf(const TaskNet& net, const NetDraft& draft) {
  QueueOrders queues(net.places.size());
  for (const NetOpId op : draft.order) queues[Index(draft.place_of[Index(op)])].push_back(op);
  return queues;
}

Result<NetPlacement> DraftForMakespan(const TaskNet& net, const std::vector<NetNeed>& needs,
                                      const SearchLimits& limits) {
  PlacementProblem problem;
  problem.places = static_cast<uint32_t>(net.places.size());
  problem.seconds.assign(net.ops.size() * problem.places, PlacementProblem::kNever);
  for (size_t i = 0; i < net.ops.size(); ++i) {
    for (const NetChoice& choice : net.ops[i].choices) {
      problem.seconds[i * problem.places + Index(choice.place)] = choice.seconds;
    }
  }
  // What crosses from place to place goes through a fence and a sync.
  const double crossing = net.fence_seconds + net.sync_seconds;
  problem.links.assign(size_t{problem.places} * problem.places, {crossing, 0});
  for (const NetNeed& need : needs) {
    if (need.distance != 0) continue;
    problem.edges.push_back(
        {static_cast<uint32_t>(need.earlier), static_cast<uint32_t>(need.later), 0});
  }
  TRY_ASSIGN(const PlacementResult result, SolvePlacement(problem, limits));
  NetPlacement out;
  out.least_makespan = result.lower_bound_seconds;
  for (const uint32_t place : result.place) out.draft.place_of.push_back(PlaceId(place));
  out.draft.order = OrderBy(needs, result.start);
  return out;
}

std::optional<std::vector<PlaceId>> OnOnePlace(const TaskNet& net) {
  for (size_t place = 0; place < net.places.size(); ++place) {
    if (std::all_of(net.ops.begin(), net.ops.end(),
                    [&](const NetOp& op) { return op.choice_at(PlaceId(place)) != nullptr; })) {
      return std::vector<PlaceId>(net.ops.size(), PlaceId(place));
    }
  }
  return std::nullopt;
}

std::optional<std::vector<PlaceId>> OnTwoPlaces(const TaskNet& net,
                                                const std::vector<NetNeed>& needs) {
  if (net.places.size() < 2) return std::nullopt;
  std::vector<uint8_t> allowed;
  for (const NetOp& op : net.ops) {
    const unsigned mask = (op.choice_at(PlaceId(0)) != nullptr ? 1u : 0u) |
                          (op.choice_at(PlaceId(1)) != nullptr ? 2u : 0u);
    if (mask == 0) return std::nullopt;
    allowed.push_back(static_cast<uint8_t>(mask));
  }
  std::vector<PlaceId> places;
  for (const uint32_t place : PlaceOnTwo(ToSyncNet(net, needs), allowed).place) {
    places.push_back(PlaceId(place));
  }
  return places;
}

std::vector<PlaceId> OnFewSyncs(const TaskNet& net, const std::vector<NetNeed>& needs,
                                const SearchLimits& limits) {
  std::vector<std::vector<uint32_t>> choices;
  choices.reserve(net.ops.size());
  for (const NetOp& op : net.ops) {
    std::vector<uint32_t>& places = choices.emplace_back();
    for (const NetChoice& choice : op.choices)
      places.push_back(static_cast<uint32_t>(choice.place));
  }
  std::vector<PlaceId> out;
  for (const uint32_t place : PlaceForSyncs(ToSyncNet(net, needs), choices, limits).place) {
    out.push_back(PlaceId(place));
  }
  return out;
}

std::optional<NetDraft> WaitTogether(const TaskNet& net, const std::vector<NetNeed>& needs,
                                     const NetDraft& draft, const NetPlan& plan) {
  const std::vector<Wait> waits = WaitsOf(net, plan);
  const std::vector<uint32_t> at = Positions(net, draft);
  NetDraft out = draft;
  std::vector<NetNeed> all = needs;
  all.insert(all.end(), draft.extra.begin(), draft.extra.end());
  const auto add = [&](NetOpId earlier, NetOpId later) {
    all.push_back({earlier, later});
    std::vector<NetOpId> order = OrderBy(all, at);
    if (order.size() < net.ops.size()) {
      all.pop_back();
      return false;
    }
    out.order = std::move(order);
    out.extra.push_back(all.back());
    return true;
  };
  // Either the wait of this iteration comes first, or its fence last.
  const auto join = [&](const Wait& back) {
    return std::any_of(waits.begin(), waits.end(), [&](const Wait& now) {
      if (now.distance != 0 || now.from != back.from || now.at != back.at) return false;
      return add(now.recorder, back.waiter) || add(back.recorder, now.waiter);
    });
  };
  bool joined = false;
  for (const Wait& wait : waits) {
    if (wait.distance != 0) joined = join(wait) || joined;
  }
  return joined ? std::optional(std::move(out)) : std::nullopt;
}

NetSyncDraft DraftForSyncs(const TaskNet& net, const std::vector<NetNeed>& needs,
                           const std::vector<PlaceId>& place_of, const SearchLimits& limits) {
  const bool one_place =
      net.fixed_syncs.empty() &&
      std::adjacent_find(place_of.begin(), place_of.end(), std::not_equal_to<>()) == place_of.end();
  if (one_place) return {{OrderLikeProgram(net, needs), place_of, {}}, {}, {}};
  SyncNet syncs = ToSyncNet(net, needs);
  for (size_t i = 0; i < place_of.size(); ++i) {
    syncs.place[i] = static_cast<uint32_t>(place_of[i]);
  }
  const LeastSyncs least = FindLeastSyncs(std::move(syncs), limits);
  NetSyncDraft out;
  out.draft.place_of = place_of;
  out.syncs = {least.syncs, least.least_syncs};
  out.fences = {least.fences, least.least_fences};
  Follow(least.schedule, out.draft);
  const std::vector<uint32_t> at = Positions(net, out.draft);
  if (!net.fixed_syncs.empty()) LeaveOutFixed(net, at, out.draft);
  if (net.places.size() == 2) RecordEarly(needs, at, out.draft);
  return out;
}

NetDraft DraftForPeak(const TaskNet& net, const std::vector<NetNeed>& needs,
                      const std::vector<PlaceId>& place_of, const SearchLimits& limits,
                      uint64_t most_work) {
  OrderProblem problem;
  for (const NetValue& value : net.values)
    problem.tensor_bytes.push_back(value.offset ? 0 : value.bytes);
  for (uint32_t i = 0; i < net.values.size(); ++i) {
    if (net.values[i].given) problem.inputs.push_back(i);
    if (net.values[i].wanted) problem.outputs.push_back(i);
  }
  for (size_t i = 0; i < net.ops.size(); ++i) {
    OrderProblem::Op op;
    for (const NetValueId in : net.ops[i].ins) op.ins.push_back(static_cast<uint32_t>(in));
    for (const NetValueId out : net.ops[i].outs) op.outs.push_back(static_cast<uint32_t>(out));
    op.workspace_bytes = net.ops[i].choice_at(place_of[i])->workspace_bytes;
    problem.ops.push_back(std::move(op));
  }
  // What is no data: a tensor without bytes.
  for (const NetNeed& need : needs) {
    if (need.distance != 0) continue;
    const uint32_t token = static_cast<uint32_t>(problem.tensor_bytes.size());
    problem.tensor_bytes.push_back(0);
    problem.ops[Index(need.earlier)].outs.push_back(token);
    problem.ops[Index(need.later)].ins.push_back(token);
  }
  NetDraft draft;
  draft.place_of = place_of;
  for (const uint32_t op : SolveOrder(problem, limits, most_work).order) {
    draft.order.push_back(NetOpId(op));
  }
  return draft;
}

}  // namespace tinyai
