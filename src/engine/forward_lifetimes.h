#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "plan/plan.h"

namespace tinyai {

// When the values of a pass come and go, in steps of the plan's CPU queue, and which of these
// belong to which layer.
class ForwardLifetimes {
 public:
  ForwardLifetimes(const Graph& graph, const Plan& plan);

  // Layers in the order in which they run; each has its steps one after the other.
  std::span<const uint32_t> order() const { return order_; }
  uint32_t end_step(uint32_t layer) const { return layers_[layer].end; }

  static constexpr uint32_t kForever = ~uint32_t{0};
  uint32_t first_step(ValueId value) const { return values_[Index(value)].first; }
  // The last step that reads it; kForever of outputs.
  uint32_t last_step(ValueId value) const { return values_[Index(value)].last; }

  // Values that are made in a layer and still needed after it; and such that are no more.
  std::span<const ValueId> stays_after(uint32_t layer) const { return layers_[layer].stays; }
  std::span<const ValueId> goes_in(uint32_t layer) const { return layers_[layer].goes; }
  // Outputs that no op reads after this layer, though one of it does.
  std::span<const ValueId> last_read_in(uint32_t layer) const { return layers_[layer].last_reads; }
  // Whether an op of a later layer in the order reads the value.
  bool is_read_after(ValueId value, uint32_t layer) const {
    return values_[Index(value)].last_read >= layers_[layer].end;
  }
  // Whether the value is there while the layer runs, made or read by it or others.
  bool is_live_in(ValueId value, uint32_t layer) const {
    const OfValue& it = values_[Index(value)];
    return it.first < layers_[layer].end && it.last >= layers_[layer].begin;
  }
  // Where the highest buffer ends that a layer touches.
  uint64_t end_offset(uint32_t layer) const { return layers_[layer].end_offset; }

  // The most bytes of values at once in a layer; and the layer where they are most.
  uint64_t layer_bytes(uint32_t layer) const { return layers_[layer].bytes; }
  uint32_t largest_layer() const;

 private:
  struct OfValue {
    uint32_t first = kForever, last = 0;
    uint32_t last_read = 0;  // or made
  };
  struct OfLayer {
    uint32_t begin = kForever, end = 0;
    std::vector<ValueId> stays, goes, last_reads;
    uint64_t end_offset = 0;
    uint64_t bytes = 0;
  };
  void FindSteps(const Graph& graph, const Plan& plan, std::span<const uint32_t> layer_of_step);
  void FindBytes(const Plan& plan, std::span<const uint32_t> layer_of_step);

  std::vector<OfValue> values_;
  std::vector<OfLayer> layers_;
  std::vector<uint32_t> order_;
};

}  // namespace tinyai
