#include "graph/graph.h"

namespace tinyai {

uint64_t Graph::PassBytes() const {
  std::vector<bool> read(weights.size());
  for (const Op& op : ops) {
    if (std::holds_alternative<op::Embed>(op.kind)) continue;
    for (const WeightId id : op.weights) read[Index(id)] = true;
  }
  uint64_t bytes = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (read[i]) bytes += weights[i].bytes;
  }
  return bytes;
}

}  // namespace tinyai
