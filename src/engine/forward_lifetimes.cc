#include "engine/forward_lifetimes.h"

#include <algorithm>
#include <numeric>

namespace tinyai {

ForwardLifetimes::ForwardLifetimes(const Graph& graph, const Plan& plan)
    : values_(graph.values.size()), layers_(graph.layers.size()), order_(graph.layers.size()) {
  std::vector<uint32_t> layer_of(graph.ops.size());
  for (uint32_t i = 0; i < graph.layers.size(); ++i) {
    const Layer& layer = graph.layers[i];
    std::fill_n(layer_of.begin() + layer.first_op, layer.op_count, i);
  }
  std::vector<uint32_t> layer_of_step;
  for (const Step& step : plan.queues[kCpuQueue].steps) {
    layer_of_step.push_back(layer_of[Index(std::get<step::Run>(step.work).op)]);
  }
  FindSteps(graph, plan, layer_of_step);
  for (const ValueId output : graph.outputs) values_[Index(output)].last = kForever;
  FindBytes(plan, layer_of_step);
  std::iota(order_.begin(), order_.end(), 0u);
  std::sort(order_.begin(), order_.end(),
            [&](uint32_t a, uint32_t b) { return layers_[a].end < layers_[b].end; });
}

void ForwardLifetimes::FindSteps(const Graph& graph, const Plan& plan,
                                 std::span<const uint32_t> layer_of_step) {
  const std::vector<Step>& steps = plan.queues[kCpuQueue].steps;
  for (uint32_t at = 0; at < steps.size(); ++at) {
    OfLayer& layer = layers_[layer_of_step[at]];
    layer.begin = std::min(layer.begin, at);
    layer.end = at + 1;
    const Op& op = graph.ops[Index(std::get<step::Run>(steps[at].work).op)];
    const auto touch = [&](ValueId value) {
      OfValue& it = values_[Index(value)];
      it.first = std::min(it.first, at);
      it.last = it.last_read = std::max(it.last, at);
      const PlanBuffer& buffer = plan.buffer(plan.value_buffers[Index(value)]);
      layer.end_offset = std::max(layer.end_offset, buffer.offset + buffer.bytes);
    };
    std::for_each(op.ins.begin(), op.ins.end(), touch);
    if (op.out) touch(*op.out);
  }
}

void ForwardLifetimes::FindBytes(const Plan& plan, std::span<const uint32_t> layer_of_step) {
  // Made and given up at each step; a result in its operand's place comes as the other goes.
  std::vector<int64_t> change(layer_of_step.size() + 1);
  for (size_t i = 0; i < values_.size(); ++i) {
    const OfValue& it = values_[i];
    if (it.first == kForever) continue;
    const ValueId id{static_cast<uint32_t>(i)};
    const uint32_t made_in = layer_of_step[it.first];
    const bool stays = it.last >= layers_[made_in].end;
    if (stays) layers_[made_in].stays.push_back(id);
    if (stays && it.last != kForever) layers_[layer_of_step[it.last]].goes.push_back(id);
    const uint32_t read_in = layer_of_step[it.last_read];
    if (it.last == kForever && read_in != made_in) layers_[read_in].last_reads.push_back(id);
    const auto bytes = static_cast<int64_t>(plan.buffer(plan.value_buffers[i]).bytes);
    change[it.first] += bytes;
    if (it.last != kForever) change[it.last + 1] -= bytes;
  }
  int64_t live = 0;
  for (size_t at = 0; at < layer_of_step.size(); ++at) {
    live += change[at];
    OfLayer& layer = layers_[layer_of_step[at]];
    layer.bytes = std::max(layer.bytes, static_cast<uint64_t>(live));
  }
}

uint32_t ForwardLifetimes::largest_layer() const {
  const auto largest =
      std::max_element(layers_.begin(), layers_.end(),
                       [](const OfLayer& a, const OfLayer& b) { return a.bytes < b.bytes; });
  return static_cast<uint32_t>(largest - layers_.begin());
}

}  // namespace tinyai
