#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tinyai {

// All bytes of a file, or of stdin for "-". Errors OPEN, IO_READ, TEXT_TOO_LONG (usage), CANCELLED
// (a signal).
Result<std::string> ReadWholeFile(const std::string& path, uint64_t most_bytes);

// Puts these bytes into a file, which appears under its name only when it is complete. What is no
// regular file, such as a device or a pipe, is written to as it is. Error IO_WRITE.
Status WriteWholeFile(const std::string& path, std::string_view bytes);

}  // namespace tinyai
