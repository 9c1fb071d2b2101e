#pragma once

#include <vector>

#include "plan/compile_net.h"
#include "plan/model_net.h"
#include "plan/reasons.h"

namespace tinyai {

// What a plan was made of and why, for people: the net of one pass, with its plan and what the
// simulation says. Made only on demand, since it takes several times the memory of the plan; the
// net's queues and commands are the steps of the plan.
struct PlanDetails {
  ModelNet model;
  PlannedNet planned;
  std::vector<Reason> reasons;
  uint64_t ring_slots = 0;
  uint64_t slot_bytes = 0;
};

}  // namespace tinyai
