#include "plan/activation_peak.h"

#include <algorithm>
#include <vector>

namespace tinyai {

ActivationPeak FindActivationPeak(const Graph& graph, uint64_t samples) {
  std::vector<size_t> last(graph.values.size(), 0), readers(graph.values.size(), 0);
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    for (const ValueId in : graph.ops[i].ins) {
      last[Index(in)] = i;
      ++readers[Index(in)];
    }
  }
  for (const ValueId id : graph.outputs) last[Index(id)] = graph.ops.size();
  ActivationPeak peak;
  uint64_t live = 0;
  for (uint32_t layer = 0; layer < graph.layers.size(); ++layer) {
    const Layer& it = graph.layers[layer];
    for (size_t i = it.first_op; i < it.first_op + it.op_count; ++i) {
      const Op& op = graph.ops[i];
      const auto bytes = [&](ValueId id) { return graph.value(id).row_bytes * samples; };
      const bool in_place = WorksInPlace(op.kind) && last[Index(op.ins[0])] == i &&
                            bytes(op.ins[0]) == bytes(*op.out);
      live += in_place ? 0 : bytes(*op.out);
      if (live > peak.bytes) peak = {live, layer};
      for (size_t in = 0; in < op.ins.size(); ++in) {
        const bool again = std::find(op.ins.begin(), op.ins.begin() + static_cast<ptrdiff_t>(in),
                                     op.ins[in]) != op.ins.begin() + static_cast<ptrdiff_t>(in);
        if (again || last[Index(op.ins[in])] != i || (in_place && in == 0)) continue;
        live -= bytes(op.ins[in]);
      }
      if (readers[Index(*op.out)] == 0 && last[Index(*op.out)] != graph.ops.size()) {
        live -= bytes(*op.out);
      }
    }
  }
  return peak;
}

}  // namespace tinyai
