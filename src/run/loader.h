#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>

#include "base/result.h"
#include "os/read_queue.h"
#include "plan/plan.h"
#include "run/plan_arenas.h"
#include "run/queue_clocks.h"
#include "run/recorder.h"
#include "run/timeline.h"

namespace tinyai {

// Carries out the DISK queue of a plan on the thread that calls Run: issues its loads in order, up
// to the plan's depth at a time, waits where it says, and runs ahead of the computation as far as
// the syncs let it.
class Loader {
 public:
  // `clocks` know the queues that it waits for; `recorder` may be null. All outlive this object.
  Loader(const Plan& plan, const PlanArenas& arenas, ReadQueue& disk, const QueueClocks& clocks,
         std::chrono::nanoseconds io_timeout, Recorder* recorder = nullptr);

  // Until Stop. An error of a read ends it.
  Status Run();
  // From any thread. The timeline stops too.
  void Stop();
  // Tells whether pass number `pass` wants logits; passes are announced in order.
  void Announce(uint64_t pass, bool wants_logits);

  const Timeline& timeline() const { return timeline_; }
  // Bytes asked of the disk in loads that are repeated in every pass, and in those made once.
  uint64_t streamed_bytes() const { return streamed_bytes_.load(std::memory_order_relaxed); }
  uint64_t once_bytes() const { return once_bytes_.load(std::memory_order_relaxed); }

 private:
  Status WaitForAnnouncement(uint64_t passes);
  Status WaitForSync(const Sync& sync, uint64_t pass);
  Status Issue(const step::Load& load);
  Status FinishOne();
  Status StepOfPass(size_t at, uint64_t pass);
  void UpdateTimeline();
  void Record(uint64_t number, int64_t issued_ns);

  const Plan& plan_;
  const PlanArenas arenas_;
  ReadQueue& disk_;
  const QueueClocks& clocks_;
  const std::chrono::nanoseconds io_timeout_;
  Timeline timeline_;
  Timeline announced_;                     // passes announced
  std::atomic<uint64_t> wants_logits_{0};  // bit per pass, of the last 64 announced
  struct InFlight {
    uint64_t number;  // of the step, counted from the start
    bool finished;
    int64_t issued_ns;
  };
  std::deque<InFlight> in_flight_;  // in the order of issue; the first is not finished
  uint64_t passed_ = 0;             // steps issued or left out
  Recorder* const recorder_;
  int64_t free_at_ns_ = 0;  // the end of the step that was recorded last
  std::atomic<uint64_t> streamed_bytes_{0}, once_bytes_{0};
};

}  // namespace tinyai
