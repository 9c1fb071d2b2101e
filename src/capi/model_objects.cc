#include <algorithm>
#include <atomic>
#include <mutex>

#include "capi/handles.h"
#include "engine/cpu_caches.h"

namespace tinyai::capi {
namespace {

constexpr int kLeastBlock = 8;

template <typename T>
void Put(T& field, std::type_identity_t<T> value) {
  std::atomic_ref<T>(field).store(value, std::memory_order_relaxed);
}

void PutState(TinyAILayerDescriptor& out, const LayerState& state, void* address) {
  Put(out.cachedWeights, state.cached ? address : nullptr);
  Put(out.isActive, state.active);
  Put(out.priority, state.priority);
  Put(out.lastAccessed, state.last_access_ms);
  Put(out.accessCount, state.accesses);
}

void PutLayer(TinyAILayerDescriptor& out, uint32_t index, const MappedLayer& layer) {
  Put(out.offset, layer.file_offset);
  Put(out.size, layer.bytes);
  Put(out.layerIndex, static_cast<int>(index));
  Put(out.precision, static_cast<int>(layer.bits));
}

// Callers get pointers to memory that is mapped read-only as the C API declares them.
void* Writable(const std::byte* address) { return const_cast<std::byte*>(address); }

}  // namespace

Result<std::shared_ptr<ModelObjects>> ModelObjects::Open(const std::string& path,
                                                         const WeightCacheOptions& options) {
  std::shared_ptr<ModelObjects> objects(new ModelObjects());
  TRY_ASSIGN(objects->mapped_,
             MappedModel::Open(path, options, [&objects = *objects](uint32_t layer, auto& state) {
               objects.Note(layer, state);
             }));
  objects->descriptors_.resize(objects->mapped_->layer_count());
  objects->RefreshDescriptors();
  return objects;
}

void ModelObjects::RefreshDescriptors() {
  for (uint32_t layer = 0; layer < descriptors_.size(); ++layer) {
    PutLayer(descriptors_[layer], layer, mapped_->layer(layer));
    Note(layer, mapped_->cache().state(layer));
  }
}

void ModelObjects::Note(uint32_t layer, const LayerState& state) {
  PutState(descriptors_[layer], state, Writable(mapped_->Address(layer)));
}

TinyAILayerDescriptor ModelObjects::Snapshot(uint32_t layer) const {
  TinyAILayerDescriptor copy = {};
  PutLayer(copy, layer, mapped_->layer(layer));
  PutState(copy, mapped_->cache().state(layer), Writable(mapped_->Address(layer)));
  return copy;
}

TinyAICacheConfig ModelObjects::cache_config() const {
  const CpuCaches caches = ProbeCpuCaches();
  const std::lock_guard lock(mutex_);
  TinyAICacheConfig config = cache_config_;
  if (config.cache_line_size == 0) config.cache_line_size = static_cast<int>(caches.line_bytes);
  // Three tiles of float32, as a product reads and writes, in the first level.
  while (config.block_size == 0 || cache_config_.block_size == 0) {
    const int next = config.block_size == 0 ? kLeastBlock : config.block_size * 2;
    if (config.block_size != 0 && uint64_t{12} * next * next > caches.l1_bytes) break;
    config.block_size = next;
  }
  return config;
}

void ModelObjects::SetCacheConfig(const TinyAICacheConfig& config) {
  {
    const std::lock_guard lock(mutex_);
    cache_config_ = config;
  }
  const TinyAICacheConfig chosen = cache_config();
  Tiling tiling{.block = static_cast<uint64_t>(config.block_size)};
  if (chosen.cache_line_size != 0)
    tiling.line_bytes = static_cast<uint64_t>(chosen.cache_line_size);
  if (!config.enable_prefetch) {
    tiling.prefetch_bytes = 0;
  } else if (config.prefetch_distance != 0) {
    tiling.prefetch_bytes = static_cast<uint64_t>(config.prefetch_distance) * tiling.line_bytes;
  }
  mapped_->SetTiling(tiling);
}

}  // namespace tinyai::capi
