#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tinyai {

// GLSL text of a compute kernel to SPIR-V for Vulkan 1.2, by glslang, which is loaded when first
// needed (gpu/glsl_compiler.h). What was compiled once is kept in the cache directory, beside its
// text. `name` is for messages. Errors: GPU_COMPILER (the compiler cannot be loaded), GPU_KERNEL
// with its message (a fault of ours). Thread-safe.
Result<std::vector<uint32_t>> CompileGlsl(std::string_view name, std::string_view text);

}  // namespace tinyai
