#pragma once

#include <atomic>
#include <cstdint>

#include "base/result.h"
#include "graph/graph.h"
#include "os/scratch_file.h"
#include "plan/plan.h"
#include "run/queue_clocks.h"
#include "run/recorder.h"
#include "run/timeline.h"

namespace tinyai {

// Carries out the DISK.spill queue of a plan on the thread that calls Run: takes values to the
// scratch file and back, one after the other, each when its syncs let it.
class Spiller {
 public:
  // `recorder` may be null; all others outlive this object.
  Spiller(const Graph& graph, const Plan& plan, std::byte* arena, ScratchFile& scratch,
          const QueueClocks& clocks, Recorder* recorder);

  // Until Stop. An error of the disk ends it.
  Status Run();
  // From any thread. The timeline stops too; what is being moved is moved to the end of its piece.
  void Stop();
  // The next pass begins, over so many rows; the one before has ended.
  void Announce(uint64_t rows);

  const Timeline& timeline() const { return timeline_; }
  uint64_t spilled_bytes() const { return spilled_bytes_.load(std::memory_order_relaxed); }
  uint64_t fetched_bytes() const { return fetched_bytes_.load(std::memory_order_relaxed); }

 private:
  Status StepOfPass(size_t at, uint64_t pass);
  Status Move(const step::Transfer& transfer);

  const Graph& graph_;
  const Plan& plan_;
  std::byte* const arena_;
  ScratchFile& scratch_;
  const QueueClocks& clocks_;
  Recorder* const recorder_;
  Timeline timeline_;
  Timeline announced_;  // passes
  uint64_t rows_ = 0;   // of the pass announced last; written before announced_ advances
  std::atomic<uint64_t> spilled_bytes_{0}, fetched_bytes_{0};
};

}  // namespace tinyai
