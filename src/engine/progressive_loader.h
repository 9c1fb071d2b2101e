#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "engine/mapped_model.h"

namespace tinyai {

struct ProgressiveLoaderOptions {
  bool prefetch = true;
  uint32_t window = 2;          // layers read ahead of the last one asked for
  bool adaptive_window = true;  // from 0 to kWindowGrowth times that
  uint64_t limit_bytes = 0;     // of the layers this loader keeps; 0: the model's limit alone
};
inline constexpr uint32_t kWindowGrowth = 4;

enum class LoaderStatus : uint8_t { kUnloaded, kLoading, kLoaded, kPrefetching, kError };

struct ProgressiveLoaderStats {
  uint64_t used_bytes = 0, peak_bytes = 0;
  uint64_t layers = 0;  // kept, those that are being read included
  uint64_t loads = 0, unloads = 0, evictions = 0;
  uint64_t prefetches = 0, prefetch_hits = 0, prefetch_wasted = 0;
};

// Keeps layers of a model in its cache until told otherwise, and reads the next ones ahead. The
// model's cache never lets go of a layer that is kept here; this loader does, to make room for
// another within its own limit. One thread at a time uses it.
class ProgressiveLoader {
 public:
  ProgressiveLoader(std::shared_ptr<MappedModel> model, const ProgressiveLoaderOptions& options);
  ~ProgressiveLoader();  // what it read stays in the cache, and may go
  ProgressiveLoader(const ProgressiveLoader&) = delete;
  ProgressiveLoader& operator=(const ProgressiveLoader&) = delete;

  // Errors LAYER_TOO_LARGE, CACHE_FULL, those of reading.
  Status Load(uint32_t layer);
  // Error LAYER_IN_USE.
  Status Unload(uint32_t layer);
  LoaderStatus status(uint32_t layer) const;
  uint32_t window() const { return window_; }
  ProgressiveLoaderStats stats() const { return stats_; }
  MappedModel& model() { return *model_; }
  const MappedModel& model() const { return *model_; }

 private:
  struct Kept {
    bool kept = false;
    bool ahead = false;  // read ahead and not asked for since
    uint64_t last_use = 0;
  };
  Status Keep(uint32_t layer, bool ahead);
  bool LetOneGo(uint32_t wanted, bool ahead);
  void Forget(uint32_t layer, bool drop);
  void ReadAhead(uint32_t layer);
  void NoteUse(uint32_t layer);

  const std::shared_ptr<MappedModel> model_;
  const ProgressiveLoaderOptions options_;
  std::vector<Kept> layers_;
  uint32_t window_;
  uint64_t tick_ = 0;
  int64_t last_ = -1;  // layer asked for
  ProgressiveLoaderStats stats_;
};

}  // namespace tinyai
