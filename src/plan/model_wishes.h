#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph/graph.h"

namespace tinyai {

// What a user has fixed of a model's plan: a schedule in terms of the model's ops and weights.
// ResolveSchedule makes it; the passes obey it. All of it can be obeyed together, if the memory
// allows: the orders have no cycle.
struct ModelWishes {
  enum class Stay : uint8_t { kChosen, kPinned, kStreamed };
  std::vector<Stay> stay;  // by WeightId; empty: all are chosen

  // Rows of weights of which `stay` says nothing; none overlap.
  struct StayRows {
    WeightId weight;
    uint64_t begin, end;
    Stay stay;
  };
  std::vector<StayRows> stay_rows;

  // Ops that are spoken of together, each group at least one.
  std::vector<std::vector<OpId>> groups;
  // Groups. All ops of `first` are issued before any of `then`; with `complete` they have also
  // ended by then.
  struct Order {
    uint32_t first, then;
    bool complete = false;
  };
  std::vector<Order> orders;

  // The order in which the DISK queue is given these weights. One that is `ahead` comes at once
  // after the one in front of it, the first when the pass begins; any other, when it or one behind
  // it is needed.
  struct Loaded {
    WeightId weight;
    bool ahead = false;
  };
  std::vector<Loaded> loads;
  // On the DISK queue the weight comes before all that the group's first op, and whatever runs
  // after that op, is the first to need.
  struct Ahead {
    WeightId weight;
    std::optional<uint32_t> group;  // none: before everything
  };
  std::vector<Ahead> ahead;
  // The weight is read once all ops of the group have ended; or it is there before any of them
  // starts. The former says nothing of weights that stay: these are read once.
  struct Meeting {
    WeightId weight;
    uint32_t group;
    uint32_t distance = 0;  // passes before: of the ops, or of the reading
  };
  std::vector<Meeting> loads_after, loads_before;

  // By OpId: whether the device of the request computes it; empty: none. An op that stores keys and
  // values goes with the one that reads them.
  std::vector<bool> on_device;

  // Of everything, as --memory; nothing more than is asked for there.
  std::optional<uint64_t> budget_bytes;

  Stay StayOf(WeightId id) const { return stay.empty() ? Stay::kChosen : stay[Index(id)]; }
};

}  // namespace tinyai
