#include <tinyai/utils/forward_scheduler.h>

#include <algorithm>
#include <cmath>

#include "capi/from_c.h"
#include "capi/guard.h"
#include "capi/handles.h"
#include "engine/forward_scheduler.h"

struct TinyAIForwardScheduler {
  std::shared_ptr<tinyai::capi::ModelObjects> objects;
  std::unique_ptr<tinyai::ForwardScheduler> scheduler;
};

namespace tinyai::capi {
namespace {

constexpr double kBytesPerMb = 1 << 20;

Result<ForwardScheduler*> Get(const TinyAIForwardScheduler* scheduler) {
  if (scheduler == nullptr) return NullArgument("scheduler");
  return scheduler->scheduler.get();
}

// A layer that a function asks about.
struct AskedLayer {
  ForwardScheduler& scheduler;
  uint32_t layer;
};
Result<AskedLayer> Find(const TinyAIForwardScheduler* handle, int layer_index) {
  TRY_ASSIGN(ForwardScheduler* const scheduler, Get(handle));
  TRY_ASSIGN(const uint32_t layer, CheckIndex(layer_index, scheduler->model().layer_count()));
  return AskedLayer{*scheduler, layer};
}

uint64_t ElementsOf(const LayerOutput& output) {
  uint64_t elements = output.samples;
  for (const uint64_t axis : output.shape) elements *= axis;
  return elements;
}

Result<int> LargestBatch(ForwardScheduler& scheduler, size_t input, size_t output, int most) {
  if (most < 1) return BadValue(fmt::format("a largest batch of {}; it must be at least 1", most));
  size_t bytes;
  if (__builtin_add_overflow(input, output, &bytes)) {
    return BadValue(fmt::format("the sizes {} and {} overflow", input, output));
  }
  TRY_ASSIGN(const uint64_t batch, scheduler.LargestBatch(bytes, static_cast<uint64_t>(most)));
  if (batch == 0) {
    return Fail(ErrorCode::kBudget, "BATCH_DOES_NOT_FIT",
                "not even one sample fits the scheduler's memory limit; raise it");
  }
  return static_cast<int>(batch);
}

size_t BytesOf(const ForwardPass& pass, std::initializer_list<BufferKind> kinds) {
  size_t bytes = 0;
  for (const Component& component : pass.Breakdown()) {
    for (const BufferKind kind : kinds) {
      if (component.name == Name(kind)) bytes += component.bytes;
    }
  }
  return bytes;
}

TinyAIMemoryBreakdown BreakdownOf(const ForwardPass& pass) {
  return {.resident_weights = BytesOf(pass, {BufferKind::kResident}),
          .streamed_weights = BytesOf(pass, {BufferKind::kRing, BufferKind::kStaging}),
          .activations = BytesOf(pass, {BufferKind::kActivation}),
          .context = BytesOf(pass, {BufferKind::kCache}),
          .workspace = BytesOf(pass, {BufferKind::kWorkspace}),
          .planned_peak = pass.plan().peak_bytes()};
}

}  // namespace
}  // namespace tinyai::capi

using namespace tinyai;
using namespace tinyai::capi;

TinyAIForwardScheduler* tinyaiCreateForwardScheduler(TinyAIMappedModel* model,
                                                     TinyAIExecutionMode mode, size_t maxMemory) {
  return Guard<TinyAIForwardScheduler*>(nullptr, [&]() -> Result<TinyAIForwardScheduler*> {
    if (model == nullptr) return NullArgument("model");
    TRY_ASSIGN(const PlanMode plan_mode, FromC(mode));
    auto handle = std::make_unique<TinyAIForwardScheduler>();
    handle->objects = model->objects;
    handle->scheduler =
        std::make_unique<ForwardScheduler>(model->objects->shared(), plan_mode, maxMemory);
    return handle.release();
  });
}

void tinyaiDestroyForwardScheduler(TinyAIForwardScheduler* scheduler) { delete scheduler; }

bool tinyaiAddLayerToSchedule(TinyAIForwardScheduler* scheduler, int layerIndex, int dependsOnLayer,
                              TinyAIDependencyType depType, size_t outputSize) {
  return GuardStatus([&]() -> Status {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    if (static_cast<unsigned>(depType) > TINYAI_DEP_ATTENTION) {
      return BadValue(fmt::format("{} is no type of dependency", static_cast<int>(depType)));
    }
    return own->Add(layerIndex, dependsOnLayer, static_cast<DependencyKind>(depType), outputSize);
  });
}

bool tinyaiPrepareForwardPass(TinyAIForwardScheduler* scheduler) {
  return GuardStatus([&]() -> Status {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    return own->Prepare();
  });
}

bool tinyaiExecuteNextLayer(TinyAIForwardScheduler* scheduler, const void* input, void* output,
                            int* layerIndex) {
  if (layerIndex != nullptr) *layerIndex = -1;
  return Guard<bool>(false, [&]() -> Result<bool> {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    std::optional<uint32_t> failed;
    Result<std::optional<uint32_t>> ran = own->ExecuteNext(input, output, failed);
    const std::optional<uint32_t> layer = ran ? *ran : failed;
    if (layer && layerIndex != nullptr) *layerIndex = static_cast<int>(*layer);
    TRY(ran);
    return ran->has_value();
  });
}

void tinyaiResetScheduler(TinyAIForwardScheduler* scheduler) {
  GuardStatus([&]() -> Status {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    own->Reset();
    return {};
  });
}

int tinyaiCalculateOptimalBatchSize(TinyAIForwardScheduler* scheduler, size_t inputSize,
                                    size_t outputSize, int maxBatchSize) {
  return Guard<int>(1, [&]() -> Result<int> {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    return capi::LargestBatch(*own, inputSize, outputSize, maxBatchSize);
  });
}

size_t tinyaiGetSchedulerMemoryUsage(const TinyAIForwardScheduler* scheduler) {
  return Guard<size_t>(0, [&]() -> Result<size_t> {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    return own->memory_bytes();
  });
}

size_t tinyaiGetSchedulerPeakMemoryUsage(const TinyAIForwardScheduler* scheduler) {
  return Guard<size_t>(0, [&]() -> Result<size_t> {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    return own->peak_bytes();
  });
}

void tinyaiMarkLayerOutputUnneeded(TinyAIForwardScheduler* scheduler, int layerIndex) {
  GuardStatus([&]() -> Status {
    TRY_ASSIGN(const AskedLayer asked, Find(scheduler, layerIndex));
    asked.scheduler.MarkUnneeded(asked.layer);
    return {};
  });
}

bool tinyaiIsLayerExecuted(const TinyAIForwardScheduler* scheduler, int layerIndex) {
  return Guard<bool>(false, [&]() -> Result<bool> {
    TRY_ASSIGN(const AskedLayer asked, Find(scheduler, layerIndex));
    return asked.scheduler.is_executed(asked.layer);
  });
}

void* tinyaiGetLayerOutput(const TinyAIForwardScheduler* scheduler, int layerIndex) {
  return Guard<void*>(nullptr, [&]() -> Result<void*> {
    TRY_ASSIGN(const AskedLayer asked, Find(scheduler, layerIndex));
    const std::optional<LayerOutput> output = asked.scheduler.Output(asked.layer);
    return output ? const_cast<float*>(output->data) : nullptr;
  });
}

bool tinyaiSetSchedulerBatchSize(TinyAIForwardScheduler* scheduler, int batchSize) {
  return GuardStatus([&]() -> Status {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    if (batchSize < 1) return BadValue(fmt::format("a batch of {} samples", batchSize));
    return own->SetBatch(static_cast<uint64_t>(batchSize));
  });
}

bool tinyaiGetExecLayer(const TinyAIForwardScheduler* scheduler, int layerIndex,
                        TinyAIExecLayer* out) {
  return GuardStatus([&]() -> Status {
    if (out == nullptr) return NullArgument("out");
    TRY_ASSIGN(const AskedLayer asked, Find(scheduler, layerIndex));
    const ScheduledLayer* const layer = asked.scheduler.schedule().Find(asked.layer);
    if (layer == nullptr) {
      return Fail(ErrorCode::kUsage, "ARG_INDEX",
                  fmt::format("layer {} is not scheduled", layerIndex));
    }
    *out = {};
    out->layerIndex = layerIndex;
    out->dependsOnLayer = -1;
    if (!layer->dependencies.empty()) {
      out->depType = static_cast<TinyAIDependencyType>(layer->dependencies[0].kind);
      out->dependsOnLayer = static_cast<int>(layer->dependencies[0].layer);
    }
    out->executed = asked.scheduler.is_executed(asked.layer);
    const std::optional<LayerOutput> output = asked.scheduler.Output(asked.layer);
    out->outputNeeded =
        asked.scheduler.is_needed(asked.layer) && (!out->executed || output.has_value());
    out->outputSize = asked.scheduler.ReservedBytes(*layer);
    if (output) {
      out->outputPtr = const_cast<float*>(output->data);
      out->memoryUsage = static_cast<float>(
          static_cast<double>(std::max(ElementsOf(*output) * sizeof(float), out->outputSize)) /
          kBytesPerMb);
    }
    return {};
  });
}

int tinyaiGetLayerDependencies(const TinyAIForwardScheduler* scheduler, int layerIndex, int* layers,
                               TinyAIDependencyType* types, int capacity) {
  return Guard<int>(-1, [&]() -> Result<int> {
    TRY_ASSIGN(const AskedLayer asked, Find(scheduler, layerIndex));
    const ScheduledLayer* const layer = asked.scheduler.schedule().Find(asked.layer);
    if (layer == nullptr) return -1;
    const int count = static_cast<int>(layer->dependencies.size());
    for (int i = 0; i < std::min(count, capacity); ++i) {
      const LayerDependency& dependency = layer->dependencies[static_cast<size_t>(i)];
      if (layers != nullptr) layers[i] = static_cast<int>(dependency.layer);
      if (types != nullptr) types[i] = static_cast<TinyAIDependencyType>(dependency.kind);
    }
    return count;
  });
}

TinyAIExecutionMode tinyaiGetSchedulerMode(const TinyAIForwardScheduler* scheduler) {
  return Guard<TinyAIExecutionMode>(TINYAI_EXEC_NORMAL, [&]() -> Result<TinyAIExecutionMode> {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    return ToC(own->mode());
  });
}

int tinyaiGetSchedulerPeakLayer(const TinyAIForwardScheduler* scheduler,
                                TinyAIMemoryBreakdown* out) {
  return Guard<int>(-1, [&]() -> Result<int> {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    if (out != nullptr) *out = {};
    const ForwardPass* const pass = own->pass();
    if (pass == nullptr) return -1;
    const ForwardPass::Peak peak = pass->FindPeak();
    if (out != nullptr) {
      *out = BreakdownOf(*pass);
      out->activations = peak.activation_bytes;
    }
    return static_cast<int>(peak.layer);
  });
}

int tinyaiGetSchedulerPeakOutputs(const TinyAIForwardScheduler* scheduler, int* layers,
                                  size_t* bytes, int capacity) {
  return Guard<int>(-1, [&]() -> Result<int> {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    if (own->pass() == nullptr) return 0;
    const ForwardPass::Peak peak = own->pass()->FindPeak();
    const int count = static_cast<int>(peak.outputs.size());
    for (int i = 0; i < std::min(count, capacity); ++i) {
      const ForwardPass::Peak::Held& held = peak.outputs[static_cast<size_t>(i)];
      if (layers != nullptr) layers[i] = static_cast<int>(held.layer);
      if (bytes != nullptr) bytes[i] = held.bytes;
    }
    return count;
  });
}

bool tinyaiGetSchedulerMemoryBreakdown(const TinyAIForwardScheduler* scheduler,
                                       TinyAIMemoryBreakdown* out) {
  return GuardStatus([&]() -> Status {
    if (out == nullptr) return NullArgument("out");
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    *out = {};
    const ForwardPass* const pass = own->pass();
    if (pass != nullptr) *out = BreakdownOf(*pass);
    return {};
  });
}

void tinyaiInitTextSettings(TinyAITextSettings* settings) {
  GuardStatus([&]() -> Status {
    if (settings == nullptr) return NullArgument("settings");
    *settings = {.max_new_tokens = -1,
                 .temperature = 0,
                 .top_k = 40,
                 .top_p = 0.95f,
                 .min_p = 0.05f,
                 .repeat_penalty = 1,
                 .seed = 0};
    return {};
  });
}

bool tinyaiSetSchedulerTextSettings(TinyAIForwardScheduler* scheduler,
                                    const TinyAITextSettings* settings) {
  return GuardStatus([&]() -> Status {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    if (settings == nullptr) return NullArgument("settings");
    return own->SetText(FromC(*settings));
  });
}

bool tinyaiAddModelToSchedule(TinyAIForwardScheduler* scheduler) {
  return GuardStatus([&]() -> Status {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    return own->AddModel();
  });
}

bool tinyaiSetSchedulerTrace(TinyAIForwardScheduler* scheduler, size_t trace_bytes) {
  return GuardStatus([&]() -> Status {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    own->SetTrace(trace_bytes);
    return {};
  });
}

bool tinyaiWriteSchedulerTrace(TinyAIForwardScheduler* scheduler, const char* filepath) {
  return GuardStatus([&]() -> Status {
    TRY_ASSIGN(ForwardScheduler* const own, Get(scheduler));
    if (filepath == nullptr) return NullArgument("filepath");
    return own->WriteTrace(filepath);
  });
}

size_t tinyaiGetSchedulerInputSize(const TinyAIForwardScheduler* scheduler) {
  return Guard<size_t>(0, [&]() -> Result<size_t> {
    TRY_ASSIGN(const ForwardScheduler* const own, Get(scheduler));
    return own->InputBytes();
  });
}

size_t tinyaiGetSchedulerOutputSize(const TinyAIForwardScheduler* scheduler) {
  return Guard<size_t>(0, [&]() -> Result<size_t> {
    TRY_ASSIGN(const ForwardScheduler* const own, Get(scheduler));
    return own->OutputBytes();
  });
}
