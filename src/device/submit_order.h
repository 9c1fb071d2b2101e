#pragma once

#include <vector>

#include "device/run_state.h"

namespace tinyai {

// All commands of places on the GPU, each after what it waits for, directly or by way of others.
// Those of one loop come together.
std::vector<NetFence> FindSubmitOrder(const RunState& state);

}  // namespace tinyai
