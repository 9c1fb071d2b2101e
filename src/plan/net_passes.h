#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "plan/net_plan.h"
#include "plan/task_net.h"
#include "solve/search_limits.h"

// The passes that turn a task net into a plan, each in the file of its name. All take nets that
// CheckNet accepted.
namespace tinyai {

// A number that was minimised, with what no plan can go below.
struct Bounded {
  uint64_t value = 0;
  uint64_t lower_bound = 0;
  bool optimal() const { return value == lower_bound; }
};

// The ops of each place in the order in which they are issued.
using QueueOrders = std::vector<std::vector<NetOpId>>;

// Why a sync is there: the need that made it.
struct SyncCause {
  PlaceId place{};
  uint32_t command = 0, sync = 0;  // which sync: of that command of the place
  NetNeed need;
};

// Needs from several sources, looked at without being copied together.
using NeedParts = std::initializer_list<std::span<const NetNeed>>;

// Writes the queues with the fewest syncs that hold all `needs` without any further order between
// queues: the transitive reduction, which is unique (Krothapalli and Sadayappan 1991), by vector
// clocks; in a loop over iterations too. ReduceSyncs of solve/ does the same for plain queues and
// edges; here ops of regions may be left out, and what is learnt in one arm is not known after it.
// The queues' orders must not contradict the needs. `plan` gets queues and fences. Returns the
// cause of each sync.
std::vector<SyncCause> DeriveSyncs(const TaskNet& net, const QueueOrders& orders, NeedParts needs,
                                   NetPlan& plan);

// Leaves out, one by one, the syncs without which the checker accepts the plan as well: orders that
// a draft counts on may turn out to be needless, and arms hand on more than DeriveSyncs sees. Then
// none of those left can be left out. Small nets only, how small by the effort, and no loops: large
// ones stay as they are.
void DropSyncs(const TaskNet& net, const SearchLimits& limits, NetPlan& plan,
               std::vector<SyncCause>& causes);

// Which values may lie in the same bytes, one after the other: any, or only those that one place
// alone touches, which never makes a place wait for another.
enum class Sharing : uint8_t { kAll, kWithinPlaces };

// Chooses the offset of every value and workspace, where the ops run in `order` at `place_of`: what
// does not live at the same time shares memory, and results take their operand's place where they
// may. `plan` gets buffers and heights. Returns what each memory takes and what it takes at least
// in this order and with this sharing.
std::vector<Bounded> PlaceNetBuffers(const TaskNet& net, const std::vector<NetOpId>& order,
                                     const std::vector<PlaceId>& place_of, Sharing sharing,
                                     NetPlan& plan);

// What the sharing of memory adds to the needs: who overwrites comes after everyone who still
// needed what was there, in this iteration and from one to the next. Only between different places;
// each queue is in `order` by itself.
std::vector<NetNeed> ReuseNeeds(const TaskNet& net, const std::vector<NetOpId>& order,
                                const std::vector<PlaceId>& place_of, const NetPlan& plan);

// Needs that, added to a loop's, make fewer syncs do for the same time per iteration (its syncs and
// period as simulated): where a command may wait a little longer without anybody noticing, it waits
// for what later commands need too. At fixed times the fewest moments that stand for the waits of
// one place for another are found by taking the latest one each time; `share` says which times: 0
// all early, 1 as late as the busiest place lets them. What is read once may come a little later in
// the first iteration. Nothing to add: an empty list.
std::vector<NetNeed> MergeWaits(const TaskNet& net, const std::vector<NetOpId>& order,
                                const NetPlan& plan, double period_seconds, double share);

}  // namespace tinyai
