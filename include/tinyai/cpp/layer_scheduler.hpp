#pragma once

#include <tinyai/utils/layer_scheduler.h>
#include <tinyai/cpp/model.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace tinyai {
inline namespace v0 {

struct LayerSchedulerOptions {
  bool checkpointing = true;         // results need not stay in memory
  bool recompute = true;             // they may be computed again
  float speed = 0.5f;                // 0: least memory, to 1: the fastest that fits
  std::size_t activation_bytes = 0;  // at most; 0: no limit
};

// What a scheduler has decided.
struct LayerPlan {
  std::vector<int> order;  // of execution
  std::size_t peak_bytes = 0, activation_bytes = 0;
  double recompute_overhead = 0;  // work done twice, as a part of all work
};

// Executes a model's own graph layer by layer, within a limit for activations. One thread at a time
// uses it; it keeps its model alive.
class LayerScheduler {
 public:
  // Error ARG_VALUE (a speed that is no number).
  static Result<LayerScheduler> Create(const Model& model,
                                       const LayerSchedulerOptions& options = {}) {
    const TinyAILayerSchedulerConfig config = {.enable_checkpointing = options.checkpointing,
                                               .memory_speed_tradeoff = options.speed,
                                               .recompute_activations = options.recompute,
                                               .max_activation_memory = options.activation_bytes};
    Handle handle(tinyaiCreateLayerScheduler(model.handle(), &config));
    if (!handle) return detail::LastError();
    return LayerScheduler(std::move(handle));
  }

  // Errors BUDGET_INFEASIBLE, GRAPH_OP.
  Result<LayerPlan> Plan() {
    const TinyAIExecutionPlan* const plan = tinyaiCreateExecutionPlan(handle());
    if (plan == nullptr) return detail::LastError();
    LayerPlan out{.order = {},
                  .peak_bytes = tinyaiGetPlanPeakMemory(plan),
                  .activation_bytes = tinyaiGetPlanActivationMemory(plan),
                  .recompute_overhead = tinyaiGetPlanRecomputeOverhead(plan)};
    for (int i = 0; i < tinyaiGetPlanLayerCount(plan); ++i) {
      out.order.push_back(tinyaiGetPlanLayer(plan, i));
    }
    return out;
  }

  // Executes the layer, and those before it in the plan that have not run. Entry layers read
  // `input` (empty: zeros); `output` (empty: not wanted) receives the layer's result. An entry
  // layer after the end of a pass begins a new one. Errors ARG_INDEX, ARG_VALUE, OUTPUT_GONE,
  // UNSUPPORTED_TEXT, those of planning and reading.
  Status Execute(int layer, std::span<const float> input, std::span<float> output) {
    // It is only read.
    const Tensor in = Wrap({const_cast<float*>(input.data()), input.size()});
    const Tensor out = Wrap(output);
    if ((!input.empty() && !in) || (!output.empty() && !out)) return detail::LastError();
    return detail::StatusOf(
        tinyaiExecuteLayerWithMemoryOptimization(handle(), layer, in.get(), out.get()));
  }

  // Overrides the planner. Errors, and nothing changed: ARG_INDEX, ARG_VALUE, CONFIG,
  // BUDGET_INFEASIBLE.
  Status SetStrategy(int layer, TinyAICheckpointStrategy strategy) {
    return detail::StatusOf(tinyaiSetLayerCheckpointingStrategy(handle(), layer, strategy));
  }
  // Predicted, nothing is executed; all zero where there is no plan.
  TinyAIMemoryEstimate Estimate() { return tinyaiEstimateMemoryUsage(handle()); }

  // For what only the C API has; belongs to this object.
  TinyAILayerScheduler* handle() const { return handle_.get(); }

 private:
  struct Free {
    void operator()(TinyAILayerScheduler* scheduler) const { tinyaiFreeLayerScheduler(scheduler); }
    void operator()(TinyAITensor* tensor) const { tinyaiFreeTensor(tensor); }
  };
  using Handle = std::unique_ptr<TinyAILayerScheduler, Free>;
  using Tensor = std::unique_ptr<TinyAITensor, Free>;
  explicit LayerScheduler(Handle handle) : handle_(std::move(handle)) {}

  static Tensor Wrap(std::span<float> numbers) {
    if (numbers.empty()) return nullptr;
    const int size = static_cast<int>(numbers.size());
    return Tensor(
        tinyaiWrapTensor(numbers.data(), numbers.size_bytes(), &size, 1, TINYAI_TENSOR_FLOAT32));
  }

  Handle handle_;
};

}  // namespace v0
}  // namespace tinyai
