#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "os/file.h"

namespace tinyai {

// The small fairy-tale model inside this program, as a part of the program's file: it is read like
// any other model and never mapped as memory.
Result<std::unique_ptr<File>> OpenEmbeddedModel();

// How a tale may begin, for those who give no prompt.
inline constexpr std::string_view kEmbeddedPrompt =
    "Once upon a time there was a king who had three sons.";

}  // namespace tinyai
