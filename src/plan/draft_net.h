#pragma once

#include <optional>

#include "plan/compile_net.h"

// The ways to decide places and orders that CompileNet chooses from. All take nets that CheckNet
// accepted, and what Needs says of them.
namespace tinyai {

// The program's order as far as the needs allow it.
std::vector<NetOpId> OrderLikeProgram(const TaskNet& net, const std::vector<NetNeed>& needs);

// Brings the ops of each gang together, in what else stays the draft's order as far as that can be.
// Orders besides the needs that this turns round are left out.
void GatherGangs(const TaskNet& net, const std::vector<NetNeed>& needs, NetDraft& draft);

// Lets who waits for an op of a gang wait for the gang's last one at that place, and the first one
// there wait for all. Needs within a gang are left out.
void WaitForGangs(const TaskNet& net, const std::vector<NetOpId>& order,
                  const std::vector<PlaceId>& place_of, std::vector<NetNeed>& needs);

// Of a loop: the draft once more, where what a plan of it waits for from the iteration before is
// waited for along with what is from this one, as far as the needs allow it. Nothing if none is.
std::optional<NetDraft> WaitTogether(const TaskNet& net, const std::vector<NetNeed>& needs,
                                     const NetDraft& draft, const NetPlan& plan);

// What each place has to do, in the order of a draft.
QueueOrders QueuesOf(const TaskNet& net, const NetDraft& draft);

// Places where the ops end soonest (solve/placement.h). `least_makespan`: seconds; no placement
// ends sooner.
struct NetPlacement {
  NetDraft draft;
  double least_makespan = 0;
};
Result<NetPlacement> DraftForMakespan(const TaskNet& net, const std::vector<NetNeed>& needs,
                                      const SearchLimits& limits);

// All ops on one place, if one can do them all.
std::optional<std::vector<PlaceId>> OnOnePlace(const TaskNet& net);
// Places on two with the fewest syncs (theorem 2), if every op can be on one of the first two.
std::optional<std::vector<PlaceId>> OnTwoPlaces(const TaskNet& net,
                                                const std::vector<NetNeed>& needs);
// Places with few syncs, whatever places there are (solve/sync_placement.h).
std::vector<PlaceId> OnFewSyncs(const TaskNet& net, const std::vector<NetNeed>& needs,
                                const SearchLimits& limits);

// The order with the fewest syncs on these places. `least_syncs`: no order has fewer.
struct NetSyncDraft {
  NetDraft draft;
  Bounded syncs, fences;
};
NetSyncDraft DraftForSyncs(const TaskNet& net, const std::vector<NetNeed>& needs,
                           const std::vector<PlaceId>& place_of, const SearchLimits& limits);

// The order in which the least memory is live at once, all memories together. `most_work`: that of
// SolveOrder.
NetDraft DraftForPeak(const TaskNet& net, const std::vector<NetNeed>& needs,
                      const std::vector<PlaceId>& place_of, const SearchLimits& limits,
                      uint64_t most_work);

}  // namespace tinyai
