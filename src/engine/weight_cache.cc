#include "engine/weight_cache.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "base/catch_no_memory.h"
#include "base/checked.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr float kAnyPriority = std::numeric_limits<float>::infinity();

uint64_t NowMs() {
  using std::chrono::milliseconds;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<milliseconds>(now).count());
}

}  // namespace

Result<std::unique_ptr<WeightCache>> WeightCache::Create(LayerStore& store, size_t layers,
                                                         const WeightCacheOptions& options,
                                                         Listener listener) {
  std::unique_ptr<WeightCache> cache(new WeightCache(store, layers, options, std::move(listener)));
  const uint32_t threads = options.prefetch ? options.threads : 0;
  cache->threads_.reserve(threads);  // one that runs is always the cache's own, which ends it
  for (uint32_t i = 0; i < threads; ++i) {
    TRY_ASSIGN(Thread thread, Thread::Start({.name = "tinyai-ahead", .stack_bytes = 256 << 10},
                                            [&cache = *cache] { cache.Work(); }));
    cache->threads_.push_back(std::move(thread));
  }
  return cache;
}

WeightCache::WeightCache(LayerStore& store, size_t layers, const WeightCacheOptions& options,
                         Listener listener)
    : store_(store),
      options_(options),
      listener_(std::move(listener)),
      entries_(layers),
      policy_(layers, options.adaptive) {
  stats_.limit_bytes = options.limit_bytes;
}

WeightCache::~WeightCache() {
  {
    const Lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  threads_.clear();
  for (Entry& entry : entries_) GiveBack(entry);
}

void WeightCache::Work() {
  Lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const uint32_t layer = queue_.front();
    queue_.pop_front();
    // Nobody waits for the result: a failure shows in the layer's state, and when it is asked for.
    (void)Load(layer, lock);
  }
}

Status WeightCache::Get(uint32_t layer) {
  Lock lock(mutex_);
  NoteAccess(layer);
  TRY(Bring(layer, lock, false));
  ReadAhead(lock);
  return {};
}

void WeightCache::NoteAccess(uint32_t layer) {
  Entry& entry = entries_[layer];
  ++entry.accesses;
  entry.last_access_ms = NowMs();
  policy_.Access(layer);
  newest_ = layer;
  entry.drop_later = false;
}

// `must_keep`: fails rather than serve the layer from outside of the cache.
Status WeightCache::Bring(uint32_t layer, Lock& lock, bool must_keep) {
  Entry& entry = entries_[layer];
  if (entry.phase == Phase::kIn) {
    ++stats_.hits;
    if (entry.ahead) ++stats_.prefetch_hits;
    entry.ahead = false;
    Tell(layer);
    return {};
  }
  ++stats_.misses;
  if (entry.phase == Phase::kLoading || entry.phase == Phase::kQueued) ++stats_.prefetch_late;
  changed_.wait(lock, [&] { return entry.phase != Phase::kLoading; });
  entry.ahead = false;
  if (entry.phase == Phase::kIn) {
    Tell(layer);
    return {};
  }
  if (entry.phase == Phase::kQueued) {
    std::erase(queue_, layer);
  } else {
    const uint64_t bytes = charge(layer);
    if (!Take(entry, bytes, kAnyPriority)) {
      if (must_keep) {
        return Fail(ErrorCode::kBudget, "CACHE_FULL",
                    fmt::format("layer {} takes {} bytes, and of the {} that may be cached {} are "
                                "in use or held{}; unload others or raise maxCacheSize",
                                layer, bytes, options_.limit_bytes, used_,
                                budget_ == nullptr ? "" : ", or the budget that models share is"));
      }
      entry.phase = Phase::kLoading;
      lock.unlock();
      Status looked = CatchNoMemory([&] { return store_.Look(layer); });
      lock.lock();
      entry.phase = Phase::kOut;
      entry.served = looked.has_value();
      changed_.notify_all();
      Tell(layer);
      return looked;
    }
  }
  return Load(layer, lock);
}

// The layer's bytes are charged already.
Status WeightCache::Load(uint32_t layer, Lock& lock) {
  Entry& entry = entries_[layer];
  entry.phase = Phase::kLoading;
  Tell(layer);
  lock.unlock();
  const auto start = std::chrono::steady_clock::now();
  Status loaded = CatchNoMemory([&] { return store_.Load(layer); });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  lock.lock();
  if (loaded) {
    entry.phase = Phase::kIn;
    entry.served = false;
    ++stats_.loads;
    stats_.loaded_bytes += store_.bytes(layer);
    stats_.load_seconds += took.count();
    if (entry.drop_later) LetGo(layer);
  } else {
    entry.phase = Phase::kFailed;
    GiveBack(entry);
  }
  entry.drop_later = false;
  Tell(layer);
  changed_.notify_all();
  return loaded;
}

Status WeightCache::Prefetch(uint32_t layer) {
  Lock lock(mutex_);
  return Queue(layer, lock);
}

// Lets go of nothing that matters more than what is read ahead.
Status WeightCache::Queue(uint32_t layer, Lock& lock) {
  Entry& entry = entries_[layer];
  entry.drop_later = false;
  if (entry.phase != Phase::kOut && entry.phase != Phase::kFailed) return {};
  const uint64_t bytes = charge(layer);
  if (!Take(entry, bytes, entry.priority)) {
    return Fail(ErrorCode::kBudget, "CACHE_FULL",
                fmt::format("layer {} is not read ahead: it takes {} bytes, and what is cached now "
                            "is in use, held, or of a higher priority",
                            layer, bytes));
  }
  if (!threads_.empty()) {
    const Status queued = CatchNoMemory([&]() -> Status {
      queue_.push_back(layer);
      return {};
    });
    if (!queued) {
      GiveBack(entry);
      return queued;
    }
  }
  entry.ahead = true;
  ++stats_.prefetches;
  if (threads_.empty()) return Load(layer, lock);
  entry.phase = Phase::kQueued;
  Tell(layer);
  changed_.notify_all();
  return {};
}

// After an access: what comes next, as far as the order is regular.
void WeightCache::ReadAhead(Lock& lock) {
  if (!options_.prefetch) return;
  for (const uint32_t layer : policy_.Next(std::max<size_t>(threads_.size(), 1))) {
    const Entry& entry = entries_[layer];
    if (entry.phase != Phase::kOut || store_.bytes(layer) == 0) continue;
    if (threads_.empty()) {
      store_.Advise(layer);
    } else if (!Queue(layer, lock)) {
      return;
    }
  }
}

void WeightCache::Release(uint32_t layer) {
  const Lock lock(mutex_);
  Entry& entry = entries_[layer];
  entry.served = false;
  switch (entry.phase) {
    case Phase::kQueued:
      std::erase(queue_, layer);
      GiveBack(entry);
      entry.phase = Phase::kOut;
      break;
    case Phase::kLoading:
      entry.drop_later = true;
      break;
    case Phase::kIn:
      if (entry.uses > 0) {
        entry.drop_later = true;
      } else {
        LetGo(layer);
        ++stats_.releases;
      }
      break;
    case Phase::kOut:
      store_.Drop(layer);  // what a caller touched again since
      break;
    case Phase::kFailed:
      entry.phase = Phase::kOut;
      break;
  }
  Tell(layer);
}

void WeightCache::SetPriority(uint32_t layer, float priority) {
  const Lock lock(mutex_);
  entries_[layer].priority = priority;
  Tell(layer);
}

void WeightCache::ResetPriorities() {
  const Lock lock(mutex_);
  for (uint32_t layer = 0; layer < entries_.size(); ++layer) {
    entries_[layer].priority = 1;
    Tell(layer);
  }
}

Status WeightCache::Hold(uint32_t layer, bool ahead) {
  Lock lock(mutex_);
  const uint64_t bytes = charge(layer);
  if (bytes > options_.limit_bytes) {
    return Fail(ErrorCode::kBudget, "LAYER_TOO_LARGE",
                fmt::format("layer {} takes {} bytes; maxCacheSize allows {}", layer, bytes,
                            options_.limit_bytes));
  }
  // Held before it is there, so that reading ahead lets nothing go that is wanted here.
  ++entries_[layer].holds;
  const Status brought = CatchNoMemory([&] {
    if (ahead) return Queue(layer, lock);
    NoteAccess(layer);
    return Bring(layer, lock, true);
  });
  if (!brought) --entries_[layer].holds;
  return brought;
}

void WeightCache::Unhold(uint32_t layer, bool drop) {
  {
    const Lock lock(mutex_);
    if (--entries_[layer].holds > 0) return;
  }
  if (drop) Release(layer);
}

uint64_t WeightCache::available_bytes() const {
  const Lock lock(mutex_);
  uint64_t kept = used_;
  for (uint32_t layer = 0; layer < entries_.size(); ++layer) {
    if (MayGo(layer)) kept -= entries_[layer].charged;
  }
  return options_.limit_bytes - std::min(options_.limit_bytes, kept);
}

Status WeightCache::Reserve(uint64_t bytes) {
  const Lock lock(mutex_);
  if (!MakeRoom(bytes, kAnyPriority)) {
    return Fail(ErrorCode::kBudget, "CACHE_FULL",
                fmt::format("{} bytes of weights are to stay resident, and of the {} that "
                            "maxCacheSize allows {} are in use or held",
                            bytes, options_.limit_bytes, used_));
  }
  used_ += bytes;
  stats_.peak_bytes = std::max(stats_.peak_bytes, used_);
  return {};
}

void WeightCache::Unreserve(uint64_t bytes) {
  const Lock lock(mutex_);
  used_ -= bytes;
}

void WeightCache::BeginUse(uint32_t layer) {
  const Lock lock(mutex_);
  NoteAccess(layer);
  ++entries_[layer].uses;
  Tell(layer);
}

void WeightCache::EndUse(uint32_t layer) {
  const Lock lock(mutex_);
  Entry& entry = entries_[layer];
  if (--entry.uses == 0 && entry.drop_later && entry.phase == Phase::kIn) {
    LetGo(layer);
    entry.drop_later = false;
    Tell(layer);
  }
}

bool WeightCache::in_use(uint32_t layer) const {
  const Lock lock(mutex_);
  return entries_[layer].uses > 0;
}

void WeightCache::Replace(uint32_t layer, const std::function<void()>& replace) {
  Lock lock(mutex_);
  Entry& entry = entries_[layer];
  changed_.wait(lock, [&] { return entry.phase != Phase::kLoading; });
  if (entry.phase == Phase::kQueued) std::erase(queue_, layer);
  if (entry.phase == Phase::kIn) {
    LetGo(layer);
  } else {
    GiveBack(entry);
    entry.phase = Phase::kOut;
  }
  entry.served = false;
  replace();
  Tell(layer);
}

bool WeightCache::MayGo(uint32_t layer) const {
  const Entry& entry = entries_[layer];
  return entry.phase == Phase::kIn && entry.charged > 0 && entry.holds == 0 && entry.uses == 0;
}

// Layers that may go for something of this priority. When reading ahead (`most_priority` is that of
// a layer) the layer accessed last stays too: its user is looking at it.
std::vector<uint32_t> WeightCache::Evictable(float most_priority) const {
  std::vector<uint32_t> may_go;
  for (uint32_t layer = 0; layer < entries_.size(); ++layer) {
    if (!MayGo(layer) || entries_[layer].priority > most_priority) continue;
    if (most_priority != kAnyPriority && layer == newest_) continue;
    may_go.push_back(layer);
  }
  return may_go;
}

uint64_t WeightCache::BytesOf(const std::vector<uint32_t>& layers) const {
  uint64_t bytes = 0;
  for (const uint32_t layer : layers) bytes += entries_[layer].charged;
  return bytes;
}

// Lets go of layers, those of the lowest priority first and of none above `most_priority`, until
// `bytes` more fit; of none at all if that is not enough.
bool WeightCache::MakeRoom(uint64_t bytes, float most_priority) {
  if (bytes > options_.limit_bytes) return false;
  const uint64_t allowed = options_.limit_bytes - bytes;
  if (used_ <= allowed) return true;
  std::vector<uint32_t> may_go = Evictable(most_priority);
  if (used_ - std::min(used_, BytesOf(may_go)) > allowed) return false;
  while (used_ > allowed) Evict(may_go);
  return true;
}

// One of them, one of those of the lowest priority.
void WeightCache::Evict(std::vector<uint32_t>& may_go) {
  float least = kAnyPriority;
  for (const uint32_t layer : may_go) least = std::min(least, entries_[layer].priority);
  std::vector<uint32_t> lowest;
  for (const uint32_t layer : may_go) {
    if (entries_[layer].priority == least) lowest.push_back(layer);
  }
  const uint32_t victim = policy_.Victim(lowest);
  LetGo(victim);
  ++stats_.evictions;
  Tell(victim);
  std::erase(may_go, victim);
}

void WeightCache::LetGo(uint32_t layer) {
  Entry& entry = entries_[layer];
  store_.Drop(layer);
  if (entry.ahead) ++stats_.prefetch_wasted;
  entry.ahead = false;
  GiveBack(entry);
  entry.phase = Phase::kOut;
}

// Charges the layer, and lets others go for it; false if that is not enough.
bool WeightCache::Take(Entry& entry, uint64_t bytes, float most_priority) {
  if (!MakeRoom(bytes, most_priority) || !TakeShared(bytes, most_priority)) return false;
  entry.charged = bytes;
  used_ += bytes;
  stats_.peak_bytes = std::max(stats_.peak_bytes, used_);
  return true;
}

bool WeightCache::TakeShared(uint64_t bytes, float most_priority) {
  if (budget_ == nullptr || budget_->Take(bytes, "cached weights")) return true;
  std::vector<uint32_t> may_go = Evictable(most_priority);
  const uint64_t free = budget_->limit_bytes() - budget_->used_bytes();
  if (free + BytesOf(may_go) < bytes) return false;
  while (!budget_->Take(bytes, "cached weights")) {
    if (may_go.empty()) return false;  // somebody else was faster
    Evict(may_go);
  }
  return true;
}

void WeightCache::GiveBack(Entry& entry) {
  if (budget_ != nullptr) budget_->Give(entry.charged);
  used_ -= entry.charged;
  entry.charged = 0;
}

Status WeightCache::CountIn(Budget& budget) {
  const Lock lock(mutex_);
  std::vector<uint32_t> may_go = Evictable(kAnyPriority);
  while (true) {
    uint64_t charged = 0;
    for (const Entry& entry : entries_) charged += entry.charged;
    const Status taken = budget.Take(charged, "cached weights");
    if (taken) break;
    if (may_go.empty()) return taken;
    Evict(may_go);
  }
  budget_ = &budget;
  return {};
}

uint64_t WeightCache::sheddable_bytes() const {
  const Lock lock(mutex_);
  return BytesOf(Evictable(kAnyPriority));
}

void WeightCache::Shed(uint64_t bytes) {
  const Lock lock(mutex_);
  std::vector<uint32_t> may_go = Evictable(kAnyPriority);
  const uint64_t before = used_;
  while (!may_go.empty() && before - used_ < bytes) Evict(may_go);
}

uint64_t WeightCache::charge(uint32_t layer) const {
  const uint64_t bytes = store_.bytes(layer);
  return bytes == 0 ? 0 : RoundUp(std::max(bytes, options_.least_charge), kAlignment);
}

LayerState WeightCache::StateOf(uint32_t layer) const {
  const Entry& entry = entries_[layer];
  const bool cached = entry.phase == Phase::kIn;
  return {.active = cached || entry.served,
          .cached = cached,
          .loading = entry.phase == Phase::kLoading,
          .queued = entry.phase == Phase::kQueued,
          .failed = entry.phase == Phase::kFailed,
          .priority = entry.priority,
          .last_access_ms = entry.last_access_ms,
          .accesses = entry.accesses};
}

void WeightCache::Tell(uint32_t layer) const {
  if (listener_) listener_(layer, StateOf(layer));
}

LayerState WeightCache::state(uint32_t layer) const {
  const Lock lock(mutex_);
  return StateOf(layer);
}

WeightCacheStats WeightCache::stats() const {
  const Lock lock(mutex_);
  WeightCacheStats stats = stats_;
  stats.used_bytes = used_;
  stats.loaded_layers = static_cast<uint64_t>(std::ranges::count_if(
      entries_, [](const Entry& entry) { return entry.phase == Phase::kIn || entry.served; }));
  return stats;
}

}  // namespace tinyai
