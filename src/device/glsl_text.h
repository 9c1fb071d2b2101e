#pragma once

#include <string_view>

namespace tinyai {

// Functions that every kernel may call: half floats by their bits, conversions that do not
// overflow, divisions that report. What needs 64-bit types is apart.
extern const std::string_view kGlslFunctions;
extern const std::string_view kGlslInt64Functions;
extern const std::string_view kGlslFloat64Functions;
extern const std::string_view kGlslInt64FromFloat64;

}  // namespace tinyai
