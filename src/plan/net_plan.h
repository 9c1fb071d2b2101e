#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "plan/task_net.h"

namespace tinyai {

// Before a command starts, its queue waits for `fence`, as recorded `distance` iterations before. A
// fence of an iteration before the first counts as passed.
struct NetSync {
  uint32_t fence;
  uint32_t distance = 0;
  friend bool operator==(const NetSync&, const NetSync&) = default;
};

using NetSyncs = absl::InlinedVector<NetSync, 2>;

struct NetCommand {
  NetOpId op{};
  NetSyncs syncs;
};

// The point of a queue's timeline after one of its commands.
struct NetFence {
  PlaceId place{};
  uint32_t command = 0;
};

struct NetBuffer {
  MemoryId memory{};
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

// A net with every choice made. The knowledge that a sync brings is that of its fence's queue at
// the fence (scheduling.md 2.2: vector clocks).
struct NetPlan {
  std::vector<std::vector<NetCommand>> queues;  // by place, in order
  std::vector<NetFence> fences;
  std::vector<NetBuffer> value_buffers;  // by value
  std::vector<NetBuffer> workspaces;     // by op
  std::vector<uint64_t> heights;         // by memory: bytes of the arena

  uint64_t syncs() const;
};

// Whether a plan is right for a net, whoever made it; shares no code with the passes but the
// container for stretches of memory, which has tests of its own. Verifies the rules of legality:
// every op once, at a place that can (V1, V7), definition before use (V2), each use known to come
// after the definition on every path (V3), fences recorded where they are waited for (V4), no stale
// sync (V5), no deadlock (V6), effects in program order (V8), the orders that were asked for (V9,
// V10), memory reused only when its last use is known to have ended and within the budgets (V11),
// arms seen only through their own region (V12). V13 is of the ops themselves. Error PLAN_INVALID
// (exit 7) naming place, command, rule and reason.
Status CheckNetPlan(const TaskNet& net, const NetPlan& plan);

}  // namespace tinyai
