#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "gpu/gpu_info.h"
#include "gpu/vulkan_instance.h"

namespace tinyai {

// What all parts of an open device share. Destroyed with the last of them.
struct VulkanDevice {
  VulkanDevice() = default;
  VulkanDevice(const VulkanDevice&) = delete;
  VulkanDevice& operator=(const VulkanDevice&) = delete;
  ~VulkanDevice();

  std::shared_ptr<VulkanInstance> instance;
  FoundGpu gpu;
  VkDevice handle = VK_NULL_HANDLE;
  VolkDeviceTable vk{};  // the driver's functions, past the loader
  VkPhysicalDeviceMemoryProperties memory{};
  std::vector<VkQueue> queues;
  std::mutex submit_mutex;  // guards queues: Vulkan wants one caller at a time for each

  std::mutex sets_mutex;
  std::vector<VkDescriptorPool> pools;  // guarded by sets_mutex; sets come from the last one
  VkPipelineCache cache = VK_NULL_HANDLE;

  std::atomic<bool> lost{false};

  // The error for a call on this device that failed; remembers that it is lost.
  tl::unexpected<Error> Failed(VkResult result, std::string_view key, std::string_view call);
};

}  // namespace tinyai
