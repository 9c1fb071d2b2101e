#pragma once

#include <vector>

#include "gpu/gpu_device.h"

namespace tinyai {

// What the commands of a queue since its last barrier read and wrote: whether the next one needs a
// barrier before it. None is asked for that is not needed.
class GpuHazards {
 public:
  struct Access {
    GpuRange range;
    bool write = false;
  };
  // kAcross: only because of commands of earlier batches.
  enum class Barrier : uint8_t { kNone, kAcross, kWithin };
  Barrier Needs(const std::vector<Access>& accesses) const;
  void Add(const std::vector<Access>& accesses);
  void Clear() {
    since_.clear();
    batch_begin_ = 0;
  }
  void BeginBatch() { batch_begin_ = since_.size(); }

 private:
  std::vector<Access> since_;
  size_t batch_begin_ = 0;  // into since_
};

}  // namespace tinyai
