#pragma once

#include "plan/compile_net.h"
#include "plan/net_passes.h"

namespace tinyai {

// A net with points, ops that do nothing but wait, and a draft of it.
struct PointedDraft {
  TaskNet net;
  NetDraft draft;
};

// Where the syncs of a draft stand if as few are to do as in a net without arms (scheduling.md 2.5:
// the flattened net). What a place learns in one arm is not known outside, so whatever waits, for
// the needs or for the orders that the draft counts on, does so in the region around all who count
// on it: at the first of these ops, or at a point in front of it. Conditions are known outside of
// their arms. All of that is in the result's orders: who derives its syncs finds just these.
// `needs`: those of the net; no loops.
PointedDraft WaitForAllArms(const TaskNet& net, const std::vector<NetNeed>& needs,
                            const NetDraft& draft);

}  // namespace tinyai
