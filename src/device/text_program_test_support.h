#pragma once

#include <string>

#include "device/run_program.h"
#include "program/program_test_support.h"

namespace tinyai {

// With these numbers to read, the run gives out what the program means, or fails as it does.
void ExpectRunsAsItMeans(const std::string& numbers, const Compiled& made,
                         const RunOptions& options);

}  // namespace tinyai
