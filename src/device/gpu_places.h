#pragma once

#include <memory>

#include "base/budget.h"
#include "base/result.h"
#include "device/run_state.h"

namespace tinyai {

// The places of a run that a GPU carries out: every stage of their commands as a kernel bound to
// its buffers, before anything runs.
class GpuPlaces {
 public:
  // Errors: GPU_FEATURE naming an eval that the GPU cannot compute, PROGRAM_ALIGNMENT where a
  // buffer of the plan lies where the GPU cannot reach it, those of GpuDevice.
  static Result<std::unique_ptr<GpuPlaces>> Make(RunState& state, Budget& budget);
  virtual ~GpuPlaces() = default;

  // Submits everything, in an order in which nothing waits for what is submitted later, and waits
  // for the end.
  virtual Status Run() = 0;
  // A whole number was divided by zero. After Run.
  virtual bool TakeTrap() = 0;
};

}  // namespace tinyai
