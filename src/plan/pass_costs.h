#pragma once

#include <cstdint>
#include <string_view>

#include "base/machine.h"
#include "graph/graph.h"
#include "lang/costs.h"
#include "plan/request.h"

namespace tinyai {

// What cost files call the ops of models: products with weights (over `bytes` of weights, and
// `flops`), and all others (over `bytes` of activations that are read and written).
inline constexpr std::string_view kProductCost = "product", kActivationCost = "activation";

// How long the steps of a pass over some tokens take, by a machine's rates: the one cost model of
// what is planned and of what a saved plan is said to do.
class PassCosts {
 public:
  // Both outlive this object.
  PassCosts(const Graph& graph, const Rates& rates, uint32_t workers, uint64_t tokens = 1)
      : graph_(graph), rates_(rates), workers_(workers), tokens_(tokens) {}

  // Of what the request's device computes.
  static PassCosts OfDevice(const Graph& graph, const PlanRequest& request, uint64_t tokens);

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
  const Costs::Op* product_ = nullptr;  // what a cost file says; null: nothing
  const Costs::Op* activation_ = nullptr;
};

// What a fence keeps the place busy that records it, and a sync the place that waits, where a
// device takes part.
struct MeetingCosts {
  double fence_seconds = 0, sync_seconds = 0;
};
MeetingCosts MeetingCostsOf(const RequestDevice& device);

}  // namespace tinyai
