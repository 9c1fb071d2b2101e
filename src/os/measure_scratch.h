#pragma once

#include <cstdint>

#include "base/budget.h"
#include "base/result.h"

namespace tinyai {

struct ScratchRate {
  double write_bytes_per_second = 0;
  double read_bytes_per_second = 0;
};

// Writes some MiB to a scratch file and reads them back, as activations are that memory does not
// hold. Holds 4 MiB while it runs. Errors BUDGET_EXCEEDED, OUT_OF_MEMORY, IO_WRITE, IO_READ.
Result<ScratchRate> MeasureScratchRate(Budget& budget);

}  // namespace tinyai
