#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "engine/residency_policy.h"
#include "os/thread.h"

namespace tinyai {

// Where layers come from: the seam at which tests put storage that fails. Thread-safe, but for one
// layer one call at a time.
class LayerStore {
 public:
  virtual ~LayerStore() = default;
  virtual uint64_t bytes(uint32_t layer) const = 0;
  virtual Status Load(uint32_t layer) = 0;  // into memory, checked
  virtual Status Look(uint32_t layer) = 0;  // checked only
  virtual void Advise(uint32_t layer) = 0;  // it may be wanted soon
  virtual void Drop(uint32_t layer) = 0;    // out of memory
};

struct WeightCacheOptions {
  uint64_t limit_bytes = 0;
  bool prefetch = true;
  uint32_t threads = 1;
  bool adaptive = true;
  uint64_t least_charge = 0;  // what a layer with weights counts at least
};

struct LayerState {
  bool active = false;  // loaded, in the cache or not
  bool cached = false;
  bool loading = false;
  bool queued = false;
  bool failed = false;
  float priority = 1;
  uint64_t last_access_ms = 0;  // of the steady clock; 0: never
  uint64_t accesses = 0;
};

struct WeightCacheStats {
  uint64_t used_bytes = 0, peak_bytes = 0, limit_bytes = 0;
  uint64_t loaded_layers = 0;
  uint64_t loads = 0, loaded_bytes = 0;  // from the store
  uint64_t hits = 0, misses = 0;         // of accesses: found in the cache, waited for the store
  uint64_t evictions = 0, releases = 0;
  uint64_t prefetches = 0, prefetch_hits = 0, prefetch_late = 0, prefetch_wasted = 0;
  double load_seconds = 0;  // of all loads
};

// Layers of weights in memory, within a hard limit, with threads that read ahead. Everything that
// keeps weights of a model resident is counted here, so that the limit holds for all of it.
// Thread-safe.
class WeightCache {
 public:
  // Hears of every change of a layer, with the cache's lock held: it only notes what it is told.
  using Listener = std::function<void(uint32_t layer, const LayerState& state)>;

  // `store` outlives the cache. Error THREAD.
  static Result<std::unique_ptr<WeightCache>> Create(LayerStore& store, size_t layers,
                                                     const WeightCacheOptions& options,
                                                     Listener listener);
  ~WeightCache();
  WeightCache(const WeightCache&) = delete;
  WeightCache& operator=(const WeightCache&) = delete;

  // An access: the layer is in memory on return, or, where there is no room, checked only. Errors
  // of the store.
  Status Get(uint32_t layer);
  // Has it read, without waiting where there are threads. Error CACHE_FULL, or of the store.
  Status Prefetch(uint32_t layer);
  void Release(uint32_t layer);
  // NaN and infinities are refused by the caller.
  void SetPriority(uint32_t layer, float priority);
  void ResetPriorities();

  // As Get, but it stays until Unhold, as often as it was held. Errors CACHE_FULL, LAYER_TOO_LARGE
  // (the limit is smaller). `ahead`: as Prefetch; no access.
  Status Hold(uint32_t layer, bool ahead);
  // `drop`: it leaves the cache if nobody else holds it.
  void Unhold(uint32_t layer, bool drop);

  // What Reserve has room for now.
  uint64_t available_bytes() const;
  // Counts bytes of weights that are resident elsewhere; lets layers go for them. Error CACHE_FULL.
  Status Reserve(uint64_t bytes);
  void Unreserve(uint64_t bytes);
  // An execution uses the layer's weights from the store from here on, to the call of EndUse.
  void BeginUse(uint32_t layer);
  void EndUse(uint32_t layer);
  bool in_use(uint32_t layer) const;

  // Counts what is cached in `budget` too from now on; it outlives the cache. Where it is full,
  // layers go that nobody holds, and such as still do not fit are not kept. Error BUDGET_EXCEEDED:
  // of what is held.
  Status CountIn(Budget& budget);
  // What Shed could let go now.
  uint64_t sheddable_bytes() const;
  // Lets layers go that nobody holds or uses, until that is `bytes` or there is none.
  void Shed(uint64_t bytes);

  // Runs `replace` while the layer is in nobody's memory: what the store has for it changes.
  void Replace(uint32_t layer, const std::function<void()>& replace);

  uint64_t charge(uint32_t layer) const;
  LayerState state(uint32_t layer) const;
  WeightCacheStats stats() const;

 private:
  enum class Phase : uint8_t { kOut, kQueued, kLoading, kIn, kFailed };
  struct Entry {
    Phase phase = Phase::kOut;
    bool served = false;      // loaded, but not kept
    bool ahead = false;       // read ahead and not used since
    bool drop_later = false;  // once it is loaded, or its use ends
    uint32_t holds = 0, uses = 0;
    uint64_t charged = 0;
    float priority = 1;
    uint64_t last_access_ms = 0, accesses = 0;
  };
  using Lock = std::unique_lock<std::mutex>;

  WeightCache(LayerStore& store, size_t layers, const WeightCacheOptions& options,
              Listener listener);
  void Work();
  void NoteAccess(uint32_t layer);
  Status Bring(uint32_t layer, Lock& lock, bool must_keep);
  Status Load(uint32_t layer, Lock& lock);
  Status Queue(uint32_t layer, Lock& lock);
  void ReadAhead(Lock& lock);
  bool MayGo(uint32_t layer) const;
  std::vector<uint32_t> Evictable(float most_priority) const;
  uint64_t BytesOf(const std::vector<uint32_t>& layers) const;
  void Evict(std::vector<uint32_t>& may_go);
  bool MakeRoom(uint64_t bytes, float most_priority);
  bool TakeShared(uint64_t bytes, float most_priority);
  bool Take(Entry& entry, uint64_t bytes, float most_priority);
  void GiveBack(Entry& entry);
  void LetGo(uint32_t layer);
  void Tell(uint32_t layer) const;
  LayerState StateOf(uint32_t layer) const;

  LayerStore& store_;
  const WeightCacheOptions options_;
  const Listener listener_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<Entry> entries_;
  ResidencyPolicy policy_;
  std::deque<uint32_t> queue_;
  uint64_t used_ = 0;
  Budget* budget_ = nullptr;  // in which layers are counted too
  WeightCacheStats stats_;
  int64_t newest_ = -1;  // the layer accessed last
  bool stopping_ = false;
  std::vector<Thread> threads_;  // last: joined first
};

// Bytes that are counted in a cache for as long as this exists. The cache outlives it.
class CacheReservation {
 public:
  CacheReservation() = default;
  static Result<CacheReservation> Take(WeightCache& cache, uint64_t bytes) {
    TRY(cache.Reserve(bytes));
    CacheReservation taken;
    taken.cache_ = &cache;
    taken.bytes_ = bytes;
    return taken;
  }
  CacheReservation(CacheReservation&& other) noexcept { *this = std::move(other); }
  CacheReservation& operator=(CacheReservation&& other) noexcept {
    std::swap(cache_, other.cache_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~CacheReservation() {
    if (cache_ != nullptr) cache_->Unreserve(bytes_);
  }

 private:
  WeightCache* cache_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace tinyai
