#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "gpu/vulkan_device.h"

namespace tinyai {

// What a driver made of kernels, kept from one process to the next in a file of the cache
// directory: the driver's UUID, a checksum, then the driver's own bytes. A file that is damaged or
// of another driver is as good as none.
std::string PackPipelineCache(const std::array<uint8_t, 16>& driver, std::string_view data);
std::optional<std::string_view> UnpackPipelineCache(const std::array<uint8_t, 16>& driver,
                                                    std::string_view file);

// Makes the device's cache, from the file if there is one.
void LoadPipelineCache(VulkanDevice& device);
// Writes the file if something new was built, and destroys the cache.
void StorePipelineCache(VulkanDevice& device);

}  // namespace tinyai
