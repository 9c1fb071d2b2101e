#include "engine/progressive_loader.h"

#include <algorithm>

#include "fmt/format.h"

namespace tinyai {

ProgressiveLoader::ProgressiveLoader(std::shared_ptr<MappedModel> model,
                                     const ProgressiveLoaderOptions& options)
    : model_(std::move(model)),
      options_(options),
      layers_(model_->layer_count()),
      window_(options.prefetch ? options.window : 0) {}

ProgressiveLoader::~ProgressiveLoader() {
  for (uint32_t layer = 0; layer < layers_.size(); ++layer) {
    if (layers_[layer].kept) Forget(layer, model_->cache().state(layer).queued);
  }
}

Status ProgressiveLoader::Load(uint32_t layer) {
  NoteUse(layer);
  Kept& kept = layers_[layer];
  if (kept.kept) {
    if (kept.ahead) ++stats_.prefetch_hits;
    kept.ahead = false;
    // Waits for it, if it has not arrived yet.
    if (Status there = model_->cache().Hold(layer, false); !there) {
      Forget(layer, false);
      return there;
    }
    model_->cache().Unhold(layer, false);
  } else {
    TRY(Keep(layer, false));
  }
  kept.last_use = ++tick_;
  last_ = layer;
  ReadAhead(layer);
  return {};
}

// A layer that follows the last one and is not there yet would have been worth reading ahead.
void ProgressiveLoader::NoteUse(uint32_t layer) {
  if (!options_.prefetch || !options_.adaptive_window) return;
  const bool follows = last_ >= 0 && layer == (static_cast<uint64_t>(last_) + 1) % layers_.size();
  const bool there = model_->cache().state(layer).cached;
  const uint64_t limit = uint64_t{kWindowGrowth} * options_.window;
  if (follows && !there && window_ < limit) ++window_;
}

Status ProgressiveLoader::Unload(uint32_t layer) {
  if (model_->cache().in_use(layer)) {
    return Fail(ErrorCode::kUsage, "LAYER_IN_USE",
                fmt::format("layer {} is being executed; unload it afterwards", layer));
  }
  if (layers_[layer].kept) {
    ++stats_.unloads;
    Forget(layer, true);
  } else {
    model_->cache().Release(layer);
  }
  return {};
}

LoaderStatus ProgressiveLoader::status(uint32_t layer) const {
  const LayerState state = model_->cache().state(layer);
  if (state.failed) return LoaderStatus::kError;
  if (state.active) return LoaderStatus::kLoaded;
  if (state.queued) return LoaderStatus::kPrefetching;
  if (!state.loading) return LoaderStatus::kUnloaded;
  return layers_[layer].ahead ? LoaderStatus::kPrefetching : LoaderStatus::kLoading;
}

Status ProgressiveLoader::Keep(uint32_t layer, bool ahead) {
  const uint64_t bytes = model_->cache().charge(layer);
  if (options_.limit_bytes != 0 && bytes > options_.limit_bytes) {
    return Fail(ErrorCode::kBudget, "LAYER_TOO_LARGE",
                fmt::format("layer {} takes {} bytes; max_memory_usage allows {}", layer, bytes,
                            options_.limit_bytes));
  }
  const auto full = [&] {
    return options_.limit_bytes != 0 && stats_.used_bytes > options_.limit_bytes - bytes;
  };
  while (full()) {
    if (!LetOneGo(layer, ahead)) {
      return Fail(
          ErrorCode::kBudget, "CACHE_FULL",
          fmt::format("layer {} takes {} bytes, and of the {} of max_memory_usage {} are in "
                      "use",
                      layer, bytes, options_.limit_bytes, stats_.used_bytes));
    }
  }
  // The model's cache may be the smaller one: then more of this loader's layers go.
  Status held = model_->cache().Hold(layer, ahead);
  while (!held && held.error().key == "CACHE_FULL" && LetOneGo(layer, ahead)) {
    held = model_->cache().Hold(layer, ahead);
  }
  TRY(held);
  layers_[layer] = {.kept = true, .ahead = ahead, .last_use = ++tick_};
  stats_.used_bytes += bytes;
  stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.used_bytes);
  ++stats_.layers;
  ++(ahead ? stats_.prefetches : stats_.loads);
  return {};
}

// Of those that may, the one of the lowest priority that was not used for longest. For a layer that
// is only read ahead neither the one in use goes, nor what matters more, nor what was read ahead.
bool ProgressiveLoader::LetOneGo(uint32_t wanted, bool ahead) {
  const WeightCache& cache = model_->cache();
  const float most = cache.state(wanted).priority;
  int64_t victim = -1;
  float least = 0;
  for (uint32_t layer = 0; layer < layers_.size(); ++layer) {
    const Kept& kept = layers_[layer];
    if (!kept.kept || layer == wanted || cache.in_use(layer)) continue;
    const float priority = cache.state(layer).priority;
    if (ahead && (layer == last_ || kept.ahead || priority > most)) continue;
    if (victim >= 0 &&
        (priority > least ||
         (priority == least && kept.last_use > layers_[static_cast<size_t>(victim)].last_use))) {
      continue;
    }
    victim = layer;
    least = priority;
  }
  if (victim < 0) return false;
  ++stats_.evictions;
  Forget(static_cast<uint32_t>(victim), true);
  return true;
}

void ProgressiveLoader::Forget(uint32_t layer, bool drop) {
  Kept& kept = layers_[layer];
  if (kept.ahead) {
    ++stats_.prefetch_wasted;
    if (options_.adaptive_window && window_ > 0) --window_;
  }
  kept = {};
  stats_.used_bytes -= model_->cache().charge(layer);
  --stats_.layers;
  model_->cache().Unhold(layer, drop);
}

void ProgressiveLoader::ReadAhead(uint32_t layer) {
  const auto count = static_cast<uint32_t>(layers_.size());
  for (uint32_t i = 1; i <= window_ && i < count; ++i) {
    const uint32_t next = layer + i;
    if (next >= count) return;
    if (layers_[next].kept) continue;
    if (!Keep(next, true)) return;  // no room for it, or it will be told when it is asked for
  }
}

}  // namespace tinyai
