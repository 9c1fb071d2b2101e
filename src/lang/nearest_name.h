#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tinyai {

// The one of `known` that is most like `text`; empty if none is.
std::string NearestName(std::string_view text, const std::vector<std::string_view>& known);

}  // namespace tinyai
