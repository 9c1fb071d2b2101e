#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>

#include "graph/graph.h"
#include "plan/plan.h"
#include "run/op_runner.h"
#include "run/pass.h"
#include "run/plan_arenas.h"
#include "run/queue_clocks.h"
#include "run/recorder.h"
#include "run/timeline.h"

namespace tinyai {

// Carries out the queue of a plan's device on the thread that calls Run, which stands for it: in an
// arena of its own that only this queue computes in, with the CPU's kernels, so that results have
// the CPU's bits.
class DeviceQueue {
 public:
  // All outlive this object. `clocks` know the other queues; `recorder` may be null; `before_step`,
  // if there is one, is called before each step, by tests that hold queues up.
  struct Options {
    Recorder* recorder = nullptr;
    Tiling tiling;  // of products
    std::function<void(uint32_t queue)> before_step;
  };
  DeviceQueue(const Graph& graph, const Plan& plan, RopeFrequencies frequencies,
              const PlanArenas& arenas, const QueueClocks& clocks, Options options);

  // Until stopped. Pass number n is `pass` as it is once `started` stands at n + 1, until the
  // timeline has come to the end of pass n.
  void Run(const Timeline& started, const Pass& pass);
  // From any thread.
  void Stop() { done_.Stop(); }

  const Timeline& timeline() const { return done_; }
  int32_t first_bad_layer() const { return runner_.first_bad_layer(); }

 private:
  bool StepOfPass(size_t at, uint64_t number, const Pass& pass);
  void Move(const step::Move& move, const Pass& pass) const;

  const Graph& graph_;
  const Plan& plan_;
  const PlanArenas arenas_;
  const QueueClocks& clocks_;
  const Options options_;
  const Plan own_;  // the plan as this queue sees it
  OpRunner runner_;
  Timeline done_;
};

}  // namespace tinyai
