#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/result.h"

namespace tinyai {

// Runs `body` in a copy of this process and returns its text, at most 1 MiB: for code that may
// crash or never return, such as a driver's. Nothing it does is seen here. The child's standard
// output and error go nowhere. Errors: CHILD_CRASHED (unsupported) naming the signal or exit code,
// CHILD_TIMEOUT (unsupported) after `timeout`, when the child is killed, THREAD where the system
// has no room for another process.
Result<std::string> RunInChild(const std::function<std::string()>& body,
                               std::chrono::milliseconds timeout);

}  // namespace tinyai
