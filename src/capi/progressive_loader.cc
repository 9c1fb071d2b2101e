#include <tinyai/utils/progressive_loader.h>

#include "capi/guard.h"
#include "capi/handles.h"
#include "capi/memory_stats.h"
#include "engine/progressive_loader.h"

struct TinyAIProgressiveLoader {
  tinyai::ProgressiveLoaderOptions options;
  // Once it serves a model: the handle's part of it, and the loader.
  std::shared_ptr<tinyai::capi::ModelObjects> objects;
  std::unique_ptr<tinyai::ProgressiveLoader> loader;
};

namespace tinyai::capi {
namespace {

void Bind(TinyAIProgressiveLoader& loader, std::shared_ptr<ModelObjects> objects) {
  loader.loader = std::make_unique<ProgressiveLoader>(objects->shared(), loader.options);
  loader.objects = std::move(objects);
}

// The loader at work; binds it to the model opened last if it has none yet.
Result<ProgressiveLoader*> Bound(TinyAIProgressiveLoader* loader) {
  if (loader == nullptr) return NullArgument("loader");
  if (loader->loader == nullptr) {
    std::shared_ptr<ModelObjects> objects = CurrentModel();
    if (objects == nullptr) {
      return Fail(
          ErrorCode::kUsage, "NO_MODEL",
          "no model is open for the loader to serve; open one, or attach the loader to one");
    }
    Bind(*loader, std::move(objects));
  }
  return loader->loader.get();
}

Result<uint32_t> FindLayer(const ProgressiveLoader& loader, int layer_index) {
  return CheckIndex(layer_index, loader.model().layer_count());
}

TinyAILayerStatus ToC(LoaderStatus status) {
  switch (status) {
    case LoaderStatus::kUnloaded:
      return TINYAI_LAYER_STATUS_UNLOADED;
    case LoaderStatus::kLoading:
      return TINYAI_LAYER_STATUS_LOADING;
    case LoaderStatus::kLoaded:
      return TINYAI_LAYER_STATUS_LOADED;
    case LoaderStatus::kPrefetching:
      return TINYAI_LAYER_STATUS_PREFETCHING;
    case LoaderStatus::kError:
      break;
  }
  return TINYAI_LAYER_STATUS_ERROR;
}

}  // namespace
}  // namespace tinyai::capi

using namespace tinyai;
using namespace tinyai::capi;

TinyAIProgressiveLoader* tinyaiCreateProgressiveLoader(
    const TinyAIProgressiveLoaderConfig* config) {
  return Guard<TinyAIProgressiveLoader*>(nullptr, [&]() -> Result<TinyAIProgressiveLoader*> {
    auto loader = std::make_unique<TinyAIProgressiveLoader>();
    if (config != nullptr) {
      loader->options = {.prefetch = config->enable_prefetch && config->prefetch_window > 0,
                         .window = static_cast<uint32_t>(std::max(config->prefetch_window, 0)),
                         .adaptive_window = config->enable_adaptive_window,
                         .limit_bytes = config->max_memory_usage};
    }
    return loader.release();
  });
}

void tinyaiFreeProgressiveLoader(TinyAIProgressiveLoader* loader) { delete loader; }

bool tinyaiAttachProgressiveLoader(TinyAIProgressiveLoader* loader, TinyAIMappedModel* model) {
  return GuardStatus([&]() -> Status {
    if (loader == nullptr) return NullArgument("loader");
    if (model == nullptr) return NullArgument("model");
    if (loader->objects == model->objects) return {};
    if (loader->objects != nullptr) {
      return Fail(ErrorCode::kUsage, "LOADER_BOUND",
                  "the loader serves another model already; make one loader for each model");
    }
    Bind(*loader, model->objects);
    return {};
  });
}

bool tinyaiLoadLayer(TinyAIProgressiveLoader* loader, int layer_index) {
  return GuardStatus([&]() -> Status {
    TRY_ASSIGN(ProgressiveLoader* const bound, Bound(loader));
    TRY_ASSIGN(const uint32_t layer, FindLayer(*bound, layer_index));
    return bound->Load(layer);
  });
}

bool tinyaiUnloadLayer(TinyAIProgressiveLoader* loader, int layer_index) {
  return GuardStatus([&]() -> Status {
    TRY_ASSIGN(ProgressiveLoader* const bound, Bound(loader));
    TRY_ASSIGN(const uint32_t layer, FindLayer(*bound, layer_index));
    return bound->Unload(layer);
  });
}

TinyAILayerStatus tinyaiGetLayerStatus(const TinyAIProgressiveLoader* loader, int layer_index) {
  return Guard<TinyAILayerStatus>(TINYAI_LAYER_STATUS_ERROR, [&]() -> Result<TinyAILayerStatus> {
    if (loader == nullptr) return NullArgument("loader");
    if (loader->loader == nullptr) {
      const std::shared_ptr<ModelObjects> current = CurrentModel();
      const size_t layers = current == nullptr ? 0 : current->mapped().layer_count();
      TRY(CheckIndex(layer_index, layers));
      return TINYAI_LAYER_STATUS_UNLOADED;
    }
    TRY_ASSIGN(const uint32_t layer, FindLayer(*loader->loader, layer_index));
    return ToC(loader->loader->status(layer));
  });
}

void tinyaiSetProgressiveLayerPriority(TinyAIProgressiveLoader* loader, int layer_index,
                                       int priority) {
  GuardStatus([&]() -> Status {
    TRY_ASSIGN(ProgressiveLoader* const bound, Bound(loader));
    TRY_ASSIGN(const uint32_t layer, FindLayer(*bound, layer_index));
    bound->model().cache().SetPriority(layer, static_cast<float>(priority));
    return {};
  });
}

TinyAIMemoryStats tinyaiGetProgressiveLoaderStats(const TinyAIProgressiveLoader* loader) {
  return Guard<TinyAIMemoryStats>({}, [&]() -> Result<TinyAIMemoryStats> {
    if (loader == nullptr) return NullArgument("loader");
    TinyAIMemoryStats out = {};
    out.memory_budget = loader->options.limit_bytes;
    if (loader->loader == nullptr) return out;
    out = ModelStats(loader->objects->mapped());
    const ProgressiveLoaderStats stats = loader->loader->stats();
    out.memory_budget = loader->options.limit_bytes;
    out.current_usage = stats.used_bytes;
    out.peak_usage = stats.peak_bytes;
    out.loaded_layers = stats.layers;
    out.allocation_count = stats.loads + stats.prefetches;
    out.free_count = stats.unloads + stats.evictions;
    out.evictions = stats.evictions;
    out.prefetches = stats.prefetches;
    out.prefetch_hits = stats.prefetch_hits;
    out.prefetch_wasted = stats.prefetch_wasted;
    return out;
  });
}

int tinyaiGetPrefetchWindow(const TinyAIProgressiveLoader* loader) {
  return Guard<int>(-1, [&]() -> Result<int> {
    if (loader == nullptr) return NullArgument("loader");
    const auto& options = loader->options;
    return static_cast<int>(loader->loader != nullptr ? loader->loader->window()
                            : options.prefetch        ? options.window
                                                      : 0);
  });
}
