#include <tinyai/utils/layer_scheduler.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "capi/guard.h"
#include "capi/handles.h"
#include "capi/tensor.h"
#include "engine/layer_scheduler.h"

struct TinyAIExecutionPlan {
  tinyai::LayerPlan plan;
};

struct TinyAILayerScheduler {
  std::shared_ptr<tinyai::capi::ModelObjects> objects;
  std::unique_ptr<tinyai::LayerScheduler> scheduler;
  TinyAIExecutionPlan plan;
};

namespace tinyai::capi {
namespace {

Result<LayerSchedulerOptions> FromC(const TinyAILayerSchedulerConfig* config) {
  if (config == nullptr) return LayerSchedulerOptions();
  if (std::isnan(config->memory_speed_tradeoff)) return BadValue("memory_speed_tradeoff is NaN");
  return LayerSchedulerOptions{.checkpointing = config->enable_checkpointing,
                               .speed = std::clamp(config->memory_speed_tradeoff, 0.0f, 1.0f),
                               .recompute = config->recompute_activations,
                               .activation_bytes = config->max_activation_memory};
}

uint64_t ElementsOf(const LayerOutput& output) {
  uint64_t elements = output.samples;
  for (const uint64_t axis : output.shape) elements *= axis;
  return elements;
}

Status CheckType(const TinyAITensor* tensor, const char* name) {
  if (tensor == nullptr || tensor->type == TINYAI_TENSOR_FLOAT32) return {};
  return BadValue(fmt::format("{} is no tensor of TINYAI_TENSOR_FLOAT32", name));
}

Status Execute(LayerScheduler& scheduler, uint32_t layer, const TinyAITensor* input,
               TinyAITensor* output) {
  if (scheduler.graph().is_text()) {
    return Fail(ErrorCode::kUnsupported, "UNSUPPORTED_TEXT",
                "a text model is executed by a forward scheduler, which takes text");
  }
  TRY(CheckType(input, "input"));
  TRY(CheckType(output, "output"));
  const uint64_t needed = scheduler.InputBytes(layer);
  std::vector<const float*> inputs;
  if (input != nullptr && needed > 0) {
    if (input->size != needed) {
      return BadValue(
          fmt::format("the input has {} bytes; layer {} takes {}", input->size, layer, needed));
    }
    uint64_t offset = 0;
    for (const ValueId operand : scheduler.graph().layers[layer].operands) {
      inputs.push_back(reinterpret_cast<const float*>(input->data + offset));
      uint64_t size = sizeof(float);
      for (const uint64_t axis : scheduler.graph().value(operand).shape) size *= axis;
      offset += size;
    }
  }
  if (output != nullptr) {
    uint64_t bytes = sizeof(float);
    const ValueId id = scheduler.graph().layers[layer].output;
    for (const uint64_t axis : scheduler.graph().value(id).shape) bytes *= axis;
    if (output->size < bytes) {
      return BadValue(
          fmt::format("the output has {} bytes; layer {} makes {}", output->size, layer, bytes));
    }
  }
  TRY(scheduler.Execute(layer, inputs));
  if (output != nullptr) {
    TRY_ASSIGN(const LayerOutput result, scheduler.Output(layer));
    std::memcpy(output->data, result.data, ElementsOf(result) * sizeof(float));
  }
  return {};
}

Result<TinyAIMemoryEstimate> Estimate(LayerScheduler& scheduler) {
  if (scheduler.plan() == nullptr) TRY(scheduler.MakePlan());
  const LayerPlan& plan = *scheduler.plan();
  TRY_ASSIGN(const LayerPlan all, scheduler.PlanAllResident());
  TinyAIMemoryEstimate out = {};
  out.min_memory = std::min(plan.least_bytes, plan.peak_bytes);
  out.max_memory = std::max(all.peak_bytes, plan.peak_bytes);
  out.peak_memory = plan.peak_bytes;
  out.average_memory = plan.average_bytes;
  out.weights_memory = plan.weight_bytes;
  out.activation_memory = plan.activation_bytes;
  out.workspace_memory = plan.workspace_bytes;
  out.recompute_overhead = 1 - 1 / plan.recompute_ratio;
  return out;
}

}  // namespace
}  // namespace tinyai::capi

using namespace tinyai;
using namespace tinyai::capi;

TinyAILayerScheduler* tinyaiCreateLayerScheduler(TinyAIModel* model,
                                                 const TinyAILayerSchedulerConfig* config) {
  return Guard<TinyAILayerScheduler*>(nullptr, [&]() -> Result<TinyAILayerScheduler*> {
    if (model == nullptr) return NullArgument("model");
    TRY_ASSIGN(const LayerSchedulerOptions options, FromC(config));
    auto handle = std::make_unique<TinyAILayerScheduler>();
    handle->objects = model->objects;
    handle->scheduler = std::make_unique<LayerScheduler>(model->objects->shared(), options);
    return handle.release();
  });
}

void tinyaiFreeLayerScheduler(TinyAILayerScheduler* scheduler) { delete scheduler; }

TinyAIExecutionPlan* tinyaiCreateExecutionPlan(TinyAILayerScheduler* scheduler) {
  return Guard<TinyAIExecutionPlan*>(nullptr, [&]() -> Result<TinyAIExecutionPlan*> {
    if (scheduler == nullptr) return NullArgument("scheduler");
    TRY(scheduler->scheduler->MakePlan());
    scheduler->plan.plan = *scheduler->scheduler->plan();
    return &scheduler->plan;
  });
}

bool tinyaiExecuteLayerWithMemoryOptimization(TinyAILayerScheduler* scheduler, int layer_index,
                                              TinyAITensor* input, TinyAITensor* output) {
  return GuardStatus([&]() -> Status {
    if (scheduler == nullptr) return NullArgument("scheduler");
    LayerScheduler& own = *scheduler->scheduler;
    TRY_ASSIGN(const uint32_t layer, CheckIndex(layer_index, own.graph().layers.size()));
    return Execute(own, layer, input, output);
  });
}

bool tinyaiSetLayerCheckpointingStrategy(TinyAILayerScheduler* scheduler, int layer_index,
                                         TinyAICheckpointStrategy strategy) {
  return GuardStatus([&]() -> Status {
    if (scheduler == nullptr) return NullArgument("scheduler");
    LayerScheduler& own = *scheduler->scheduler;
    TRY_ASSIGN(const uint32_t layer, CheckIndex(layer_index, own.graph().layers.size()));
    if (static_cast<unsigned>(strategy) > TINYAI_CHECKPOINT_RECOMPUTE) {
      return BadValue(fmt::format("{} is no strategy", static_cast<int>(strategy)));
    }
    return own.SetStrategy(layer, static_cast<CheckpointStrategy>(strategy));
  });
}

TinyAIMemoryEstimate tinyaiEstimateMemoryUsage(TinyAILayerScheduler* scheduler) {
  return Guard<TinyAIMemoryEstimate>({}, [&]() -> Result<TinyAIMemoryEstimate> {
    if (scheduler == nullptr) return NullArgument("scheduler");
    return Estimate(*scheduler->scheduler);
  });
}

int tinyaiGetPlanLayerCount(const TinyAIExecutionPlan* plan) {
  return Guard<int>(-1, [&]() -> Result<int> {
    if (plan == nullptr) return NullArgument("plan");
    return static_cast<int>(plan->plan.order.size());
  });
}

int tinyaiGetPlanLayer(const TinyAIExecutionPlan* plan, int position) {
  return Guard<int>(-1, [&]() -> Result<int> {
    if (plan == nullptr) return NullArgument("plan");
    TRY_ASSIGN(const uint32_t at, CheckIndex(position, plan->plan.order.size()));
    return static_cast<int>(plan->plan.order[at]);
  });
}

size_t tinyaiGetPlanPeakMemory(const TinyAIExecutionPlan* plan) {
  return Guard<size_t>(0, [&]() -> Result<size_t> {
    if (plan == nullptr) return NullArgument("plan");
    return plan->plan.peak_bytes;
  });
}

size_t tinyaiGetPlanActivationMemory(const TinyAIExecutionPlan* plan) {
  return Guard<size_t>(0, [&]() -> Result<size_t> {
    if (plan == nullptr) return NullArgument("plan");
    return plan->plan.activation_bytes;
  });
}

size_t tinyaiGetPlanDiskSpace(const TinyAIExecutionPlan* plan) {
  return Guard<size_t>(0, [&]() -> Result<size_t> {
    if (plan == nullptr) return NullArgument("plan");
    return plan->plan.scratch_bytes;
  });
}

size_t tinyaiGetPlanDiskWrites(const TinyAIExecutionPlan* plan) {
  return Guard<size_t>(0, [&]() -> Result<size_t> {
    if (plan == nullptr) return NullArgument("plan");
    return plan->plan.spilled_bytes;
  });
}

double tinyaiGetPlanRecomputeOverhead(const TinyAIExecutionPlan* plan) {
  return Guard<double>(0, [&]() -> Result<double> {
    if (plan == nullptr) return NullArgument("plan");
    return 1 - 1 / plan->plan.recompute_ratio;
  });
}

bool tinyaiGetLayerSchedulerStats(const TinyAILayerScheduler* scheduler, TinyAIMemoryStats* out) {
  return GuardStatus([&]() -> Status {
    if (scheduler == nullptr) return NullArgument("scheduler");
    if (out == nullptr) return NullArgument("out");
    const LayerScheduler& own = *scheduler->scheduler;
    *out = {};
    out->memory_budget = own.options().activation_bytes;
    out->total_layers = own.graph().layers.size();
    const ForwardPass* const pass = own.pass();
    if (pass == nullptr) return {};
    out->current_usage = pass->memory_bytes();
    out->peak_usage = pass->peak_bytes();
    out->in_place_count = pass->plan().in_place_count();
    return {};
  });
}
