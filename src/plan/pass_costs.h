#pragma once

#include <cstdint>

#include "base/machine.h"
#include "graph/graph.h"

namespace tinyai {

// How long the steps of a pass over some tokens take, by a machine's rates: the one cost model of
// what is planned and of what a saved plan is said to do.
class PassCosts {
 public:
  // Both outlive this object.
  PassCosts(const Graph& graph, const Rates& rates, uint32_t workers, uint64_t tokens = 1)
      : graph_(graph), rates_(rates), workers_(workers), tokens_(tokens) {}

  // An op that is no product, by the activations it goes through.
  double OpSeconds(const Op& op) const;
  // So many rows of a product. `logits`: in a pass's last part, over its last token alone.
  double ProductSeconds(const Op& product, uint64_t rows, bool logits) const;
  double LoadSeconds(uint64_t bytes) const;
  // A Spill or Fetch op.
  double TransferSeconds(const Op& op) const;
  // The embedding rows of the tokens, each so many bytes as read.
  double RowsSeconds(uint64_t stride) const;

 private:
  const Graph& graph_;
  const Rates& rates_;
  uint32_t workers_;
  uint64_t tokens_;
};

}  // namespace tinyai
