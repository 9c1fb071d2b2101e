#pragma once

#include <cstdint>
#include <optional>

#include "base/machine.h"
#include "plan/plan.h"
#include "plan/request.h"

namespace tinyai {

// One pass over one token, as it was measured.
struct MeasuredPass {
  double seconds = 0;
  double stall_seconds = 0;     // the computation waited for the disk
  uint64_t streamed_bytes = 0;  // asked of the disk
};

// Whether passes contradict what their plan said: several in a row that took several times as long,
// or as short, altogether. Knows no clock.
class Drift {
 public:
  // How far off, and how many passes in a row, so that no single disturbance counts.
  static constexpr double kFarOff = 3;
  static constexpr uint32_t kPasses = 8;

  // What the plan said, from here on.
  void Expect(const PlanReport& report);
  void Add(const MeasuredPass& pass);

  // The rates that explain what was measured, where it contradicts those that the plan was made
  // with; nothing until passes enough have been seen. Those that say nothing are forgotten.
  std::optional<Rates> Contradiction(const Rates& planned);

 private:
  double predicted_seconds_ = 0, compute_seconds_ = 0;
  uint64_t pass_bytes_ = 0;
  uint32_t passes_ = 0;
  MeasuredPass sum_;
};

}  // namespace tinyai
