#pragma once

#include <string>
#include <vector>

#include "plan/request.h"

namespace tinyai {

inline const RequestDevice kTestDevice{
    .name = "GPU", .memory = "VRAM", .to = {1e-6, 1e9}, .from = {2e-6, 3e9}};

// Ops whose names begin so on the device.
inline ModelWishes OnDevice(const Graph& graph, const std::vector<std::string>& prefixes) {
  ModelWishes wishes;
  wishes.on_device.resize(graph.ops.size());
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    for (const std::string& prefix : prefixes) {
      if (graph.ops[i].name.starts_with(prefix)) wishes.on_device[i] = true;
    }
  }
  return wishes;
}

}  // namespace tinyai
