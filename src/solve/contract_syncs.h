#pragma once

#include <cstdint>
#include <vector>

#include "solve/sync_net.h"

namespace tinyai {

// A smaller problem with the same least syncs and fences. Ops of a place that become ready at the
// same moment in every schedule are one node, and so are ops that the same others wait for. Only
// crossing edges are left: what an op needs includes what ops before it on its own place need, so
// the order inside a place follows.
struct ContractedNet {
  uint32_t places = 0;
  std::vector<uint32_t> place;               // of each node; every edge goes to a later node
  std::vector<std::vector<uint32_t>> needs;  // nodes of other places, none of which implies another

  uint32_t size() const { return static_cast<uint32_t>(place.size()); }
};

// O(ops edges / 64) time and ops^2 / 8 bytes, so only for thousands of ops.
ContractedNet Contract(const SyncNet& net);

}  // namespace tinyai
