#pragma once

#include <string>

#include "base/result.h"
#include "console.h"

namespace tinyai {

// `tinyai compile --format`: a program, schedule, device or cost file as it should be written, on
// stdout; with `check` nothing, and NOT_FORMATTED (exit 7) where it is written otherwise.
Status FormatFile(const std::string& path, bool check, Console& console);

}  // namespace tinyai
