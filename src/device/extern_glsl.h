#pragma once

#include <string>
#include <string_view>

#include "device/glsl_stage.h"
#include "device/lower_eval.h"

namespace tinyai {

// The user's GLSL for a call of an extern function: the inputs are storage buffers at bindings
// 0, 1, .., the result follows them. SHAPE_0, SHAPE_1, .. become their shapes, uint[](4u, 3u), and
// uint[](1u) for single numbers.
GlslKernel ExternGlsl(const Stage& stage, std::string_view text);

}  // namespace tinyai
