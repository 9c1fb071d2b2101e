#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "console.h"

namespace tinyai {

// Flags of `tinyai doctor --cost`.
struct CostFileFlags {
  std::optional<std::string> cost;    // the file that is written
  std::optional<std::string> device;  // the machine; none: CPU and GPU
  std::optional<std::string> gpu;     // as for ChooseGpu; "none": threads in its place
};

// Measures what a cost file says, and writes one. Errors: BAD_OPTION where only the other flags are
// given; those of the device file, of OutputFile and of MeasureCosts.
Status WriteCostFile(const CostFileFlags& flags, Console& console);

}  // namespace tinyai
