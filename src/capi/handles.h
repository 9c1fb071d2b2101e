#pragma once

// What the opaque types of the C API are. Each is a handle to an object of engine/ that others may
// share, so handles can be given back in any order.

#include <tinyai/utils/cache_opt.h>
#include <tinyai/utils/mmap_loader.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/cpu_caches.h"
#include "engine/mapped_model.h"

namespace tinyai::capi {

// What is shared by all handles made from a model.
class ModelObjects {
 public:
  static Result<std::shared_ptr<ModelObjects>> Open(const std::string& path,
                                                    const WeightCacheOptions& options);
  MappedModel& mapped() { return *mapped_; }
  const std::shared_ptr<MappedModel>& shared() { return mapped_; }
  // A live view: its fields are written one by one, each at once.
  const TinyAILayerDescriptor* descriptor(uint32_t layer) const { return &descriptors_[layer]; }
  TinyAILayerDescriptor Snapshot(uint32_t layer) const;
  // With what was chosen in place of zeros.
  TinyAICacheConfig cache_config() const;
  void SetCacheConfig(const TinyAICacheConfig& config);
  // Since the model was opened.
  std::optional<CacheCounters::Counts> cache_counts() const { return counters_.Read(); }
  uint64_t pruning_seed() const { return pruning_seed_; }
  void SetPruningSeed(uint64_t seed) { pruning_seed_ = seed; }
  static constexpr TinyAICacheConfig kAutomaticCache = {0, 0, true, 0};

  // Size and precision, which change with what replaces a layer's weights.
  void RefreshDescriptors();

 private:
  ModelObjects() = default;
  void Note(uint32_t layer, const LayerState& state);

  mutable std::mutex mutex_;  // guards cache_config_
  TinyAICacheConfig cache_config_ = kAutomaticCache;
  CacheCounters counters_ = CacheCounters::Open();
  std::atomic<uint64_t> pruning_seed_ = 0;
  std::vector<TinyAILayerDescriptor> descriptors_;
  std::shared_ptr<MappedModel> mapped_;  // last: until it is gone it tells of changes
};

// The model opened last that is still open; nullptr if there is none.
std::shared_ptr<ModelObjects> CurrentModel();

}  // namespace tinyai::capi

struct TinyAIMappedModel {
  std::shared_ptr<tinyai::capi::ModelObjects> objects;
};
