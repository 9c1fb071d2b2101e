#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace tinyai {

enum class DependencyKind : uint8_t { kNone, kSequential, kResidual, kAttention };

struct LayerDependency {
  uint32_t layer = 0;
  DependencyKind kind = DependencyKind::kNone;
};

struct ScheduledLayer {
  uint32_t layer = 0;
  std::vector<LayerDependency> dependencies;  // in the order in which they were added; none: an
                                              // entry layer
  uint64_t output_bytes = 0;                  // reserved for its result; 0: as many as it has
};

// Which layers a user wants executed, and what each waits for: one entry per layer, however often
// it was added. Knows no model but the number of its layers.
class LayerSchedule {
 public:
  explicit LayerSchedule(size_t layer_count) : layer_count_(layer_count) {}

  // `depends_on` -1: none, or for kSequential the layer added before this one, if there is one.
  // Errors, and nothing changed: ARG_INDEX; SCHEDULE_DEPENDENCY (a layer that depends on itself, a
  // kind that needs a layer or allows none, another kind than before); SCHEDULE_SIZE (too large, or
  // another size than before).
  Status Add(int32_t layer, int32_t depends_on, DependencyKind kind, uint64_t output_bytes);

  // Errors SCHEDULE_EMPTY; SCHEDULE_MISSING: a layer that is waited for was never added;
  // SCHEDULE_CYCLE naming the layers.
  Status Check() const;

  std::span<const ScheduledLayer> layers() const { return layers_; }  // as they were first added
  // Nothing if it was not added.
  const ScheduledLayer* Find(uint32_t layer) const;

 private:
  Status CheckCycles() const;

  size_t layer_count_;
  std::vector<ScheduledLayer> layers_;
  int32_t last_added_ = -1;
};

}  // namespace tinyai
