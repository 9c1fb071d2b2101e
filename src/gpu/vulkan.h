#pragma once

#include <volk.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace tinyai {

// "VK_ERROR_DEVICE_LOST", or the number of a result that has no name here.
std::string VulkanName(VkResult result);

// An error for a call that failed: DEVICE_LOST, GPU_MEMORY, or `key` for anything else.
tl::unexpected<Error> VulkanError(VkResult result, std::string_view key, std::string_view call);

}  // namespace tinyai
