#include <tinyai/utils/mmap_loader.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "capi/guard.h"
#include "capi/handles.h"
#include "capi/memory_stats.h"
#include "engine/save_model.h"

namespace tinyai::capi {
namespace {

constexpr size_t kDefaultCacheBytes = size_t{256} << 20;
constexpr size_t kDefaultLayerBytes = size_t{4} << 10;
constexpr int kMostThreads = 64;

struct OpenModels {
  std::mutex mutex;  // guards `models`, in the order in which they were opened
  std::vector<std::shared_ptr<ModelObjects>> models;
};

// Never destroyed: models may be closed while the process ends.
OpenModels& AllOpen() {
  static OpenModels* const open = new OpenModels();
  return *open;
}

Result<WeightCacheOptions> FromC(const TinyAIMmapConfig& config) {
  if (config.prefetchThreads < 0 || config.prefetchThreads > kMostThreads) {
    return Fail(ErrorCode::kUsage, "CONFIG",
                fmt::format("prefetchThreads is {}; it must be from 0 to {}",
                            config.prefetchThreads, kMostThreads));
  }
  return WeightCacheOptions{.limit_bytes = config.maxCacheSize,
                            .prefetch = config.prefetchEnabled,
                            .threads = static_cast<uint32_t>(config.prefetchThreads),
                            .adaptive = config.adaptiveCaching,
                            .least_charge = config.minLayerCacheSize};
}

struct FoundLayer {
  ModelObjects& objects;
  MappedModel& mapped;
  uint32_t layer;
};

Result<FoundLayer> Find(const TinyAIMappedModel* model, int layer_index) {
  if (model == nullptr) return NullArgument("model");
  MappedModel& mapped = model->objects->mapped();
  TRY_ASSIGN(const uint32_t layer, CheckIndex(layer_index, mapped.layer_count()));
  return FoundLayer{*model->objects, mapped, layer};
}

}  // namespace

std::shared_ptr<ModelObjects> CurrentModel() {
  const std::lock_guard lock(AllOpen().mutex);
  return AllOpen().models.empty() ? nullptr : AllOpen().models.back();
}

TinyAIMemoryStats ModelStats(const MappedModel& mapped) {
  const WeightCacheStats stats = mapped.cache().stats();
  TinyAIMemoryStats out = {};
  out.current_usage = stats.used_bytes;
  out.peak_usage = stats.peak_bytes;
  out.total_allocated = stats.loaded_bytes;
  out.memory_budget = stats.limit_bytes;
  out.allocation_count = stats.loads;
  out.free_count = stats.evictions + stats.releases;
  for (uint32_t i = 0; i < mapped.layer_count(); ++i) out.total_model_size += mapped.layer(i).bytes;
  out.loaded_layers = stats.loaded_layers;
  out.total_layers = mapped.layer_count();
  out.loads = stats.loads;
  out.hits = stats.hits;
  out.evictions = stats.evictions;
  out.prefetches = stats.prefetches;
  out.prefetch_hits = stats.prefetch_hits;
  out.prefetch_wasted = stats.prefetch_wasted;
  if (stats.loads > 0) {
    out.average_load_ms = stats.load_seconds * 1000 / static_cast<double>(stats.loads);
  }
  return out;
}

}  // namespace tinyai::capi

using namespace tinyai;
using namespace tinyai::capi;

TinyAIMmapConfig tinyaiCreateDefaultMmapConfig(void) {
  ClearLastError();
  return {.maxCacheSize = kDefaultCacheBytes,
          .prefetchEnabled = true,
          .prefetchThreads = 1,
          .adaptiveCaching = true,
          .minLayerCacheSize = kDefaultLayerBytes};
}

TinyAIMappedModel* tinyaiOpenMappedModel(const char* filepath, const TinyAIMmapConfig* config) {
  return Guard<TinyAIMappedModel*>(nullptr, [&]() -> Result<TinyAIMappedModel*> {
    if (filepath == nullptr) return NullArgument("filepath");
    TRY_ASSIGN(const WeightCacheOptions options,
               FromC(config != nullptr ? *config : tinyaiCreateDefaultMmapConfig()));
    auto model = std::make_unique<TinyAIMappedModel>();
    TRY_ASSIGN(model->objects, ModelObjects::Open(filepath, options));
    const std::lock_guard lock(AllOpen().mutex);
    AllOpen().models.push_back(model->objects);
    return model.release();
  });
}

void tinyaiCloseMappedModel(TinyAIMappedModel* model) {
  if (model == nullptr) return;
  {
    const std::lock_guard lock(AllOpen().mutex);
    std::erase(AllOpen().models, model->objects);
  }
  delete model;
}

int tinyaiGetMappedLayerCount(const TinyAIMappedModel* model) {
  return Guard<int>(-1, [&]() -> Result<int> {
    if (model == nullptr) return NullArgument("model");
    return static_cast<int>(model->objects->mapped().layer_count());
  });
}

const TinyAILayerDescriptor* tinyaiGetLayerDescriptor(const TinyAIMappedModel* model,
                                                      int layerIndex) {
  using Row = const TinyAILayerDescriptor*;
  return Guard<Row>(nullptr, [&]() -> Result<Row> {
    TRY_ASSIGN(const FoundLayer found, Find(model, layerIndex));
    return found.objects.descriptor(found.layer);
  });
}

void* tinyaiGetLayerWeights(TinyAIMappedModel* model, int layerIndex) {
  return Guard<void*>(nullptr, [&]() -> Result<void*> {
    TRY_ASSIGN(const FoundLayer found, Find(model, layerIndex));
    TRY_ASSIGN(const std::byte* const weights, found.mapped.Weights(found.layer));
    return const_cast<std::byte*>(weights);
  });
}

bool tinyaiPrefetchLayerWeights(TinyAIMappedModel* model, int layerIndex) {
  return GuardStatus([&]() -> Status {
    TRY_ASSIGN(const FoundLayer found, Find(model, layerIndex));
    return found.mapped.cache().Prefetch(found.layer);
  });
}

void tinyaiReleaseLayerWeights(TinyAIMappedModel* model, int layerIndex) {
  GuardStatus([&]() -> Status {
    TRY_ASSIGN(const FoundLayer found, Find(model, layerIndex));
    found.mapped.cache().Release(found.layer);
    return {};
  });
}

size_t tinyaiGetMappedModelMemoryUsage(const TinyAIMappedModel* model) {
  return Guard<size_t>(0, [&]() -> Result<size_t> {
    if (model == nullptr) return NullArgument("model");
    return model->objects->mapped().cache().stats().used_bytes;
  });
}

void(tinyaiSetLayerPriority)(TinyAIMappedModel* model, int layerIndex, float priority) {
  GuardStatus([&]() -> Status {
    TRY_ASSIGN(const FoundLayer found, Find(model, layerIndex));
    if (!std::isfinite(priority)) return BadValue("a priority must be a finite number");
    found.mapped.cache().SetPriority(found.layer, priority);
    return {};
  });
}

void tinyaiResetLayerPriorities(TinyAIMappedModel* model) {
  GuardStatus([&]() -> Status {
    if (model == nullptr) return NullArgument("model");
    model->objects->mapped().cache().ResetPriorities();
    return {};
  });
}

bool tinyaiGetLayerSnapshot(const TinyAIMappedModel* model, int layerIndex,
                            TinyAILayerDescriptor* out) {
  return GuardStatus([&]() -> Status {
    if (out == nullptr) return NullArgument("out");
    TRY_ASSIGN(const FoundLayer found, Find(model, layerIndex));
    *out = found.objects.Snapshot(found.layer);
    return {};
  });
}

const char* tinyaiGetLayerName(const TinyAIMappedModel* model, int layerIndex) {
  return Guard<const char*>(nullptr, [&]() -> Result<const char*> {
    TRY_ASSIGN(const FoundLayer found, Find(model, layerIndex));
    return found.mapped.model()->graph().layers[found.layer].name.c_str();
  });
}

TinyAILayerRole tinyaiGetLayerRole(const TinyAIMappedModel* model, int layerIndex) {
  return Guard<TinyAILayerRole>(TINYAI_LAYER_ROLE_OTHER, [&]() -> Result<TinyAILayerRole> {
    TRY_ASSIGN(const FoundLayer found, Find(model, layerIndex));
    return static_cast<TinyAILayerRole>(found.mapped.layer(found.layer).role);
  });
}

const char* tinyaiGetLayerFormat(const TinyAIMappedModel* model, int layerIndex) {
  return Guard<const char*>(nullptr, [&]() -> Result<const char*> {
    TRY_ASSIGN(const FoundLayer found, Find(model, layerIndex));
    const std::string_view format = found.mapped.layer(found.layer).format;
    return format.empty() ? "" : format.data();
  });
}

bool tinyaiGetModelStats(const TinyAIMappedModel* model, TinyAIMemoryStats* out) {
  return GuardStatus([&]() -> Status {
    if (model == nullptr) return NullArgument("model");
    if (out == nullptr) return NullArgument("out");
    *out = ModelStats(model->objects->mapped());
    return {};
  });
}

bool tinyaiIsTextModel(const TinyAIMappedModel* model) {
  return Guard<bool>(false, [&]() -> Result<bool> {
    if (model == nullptr) return NullArgument("model");
    return model->objects->mapped().model()->is_text();
  });
}

bool tinyaiSaveModel(TinyAIMappedModel* model, const char* filepath) {
  return GuardStatus([&]() -> Status {
    if (model == nullptr) return NullArgument("model");
    if (filepath == nullptr) return NullArgument("filepath");
    TRY(SaveModel(model->objects->mapped(), filepath, true));
    return {};
  });
}
