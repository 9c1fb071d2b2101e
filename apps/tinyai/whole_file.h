#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace tinyai {

// All bytes of a file, or of stdin for "-". Errors OPEN, IO_READ, TEXT_TOO_LONG (usage), CANCELLED
// (a signal).
Result<std::string> ReadWholeFile(const std::string& path, uint64_t most_bytes);

}  // namespace tinyai
