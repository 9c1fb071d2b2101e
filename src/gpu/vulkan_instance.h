#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gpu/gpu_info.h"
#include "gpu/vulkan.h"

namespace tinyai {

// The driver manager, and with validation what its layer complains about. Thread-safe.
class VulkanInstance {
 public:
  // Error GPU_MISSING: no Vulkan, too old, or no validation layer where it was asked for.
  static Result<std::shared_ptr<VulkanInstance>> Make(bool validate);
  VulkanInstance(const VulkanInstance&) = delete;
  VulkanInstance& operator=(const VulkanInstance&) = delete;
  ~VulkanInstance();

  VkInstance handle() const { return instance_; }
  bool validates() const { return messenger_ != VK_NULL_HANDLE; }
  std::vector<std::string> TakeMessages();
  void AddMessage(std::string message);

 private:
  VulkanInstance() = default;
  VkInstance instance_ = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
  std::mutex mutex_;
  std::vector<std::string> messages_;  // guarded by mutex_
};

// A device that has all that is needed, and the family of its queues.
struct FoundGpu {
  VkPhysicalDevice handle = VK_NULL_HANDLE;
  uint32_t queue_family = 0;
  GpuInfo info;
};

// Loads all drivers and asks for their devices, in a child process, which may crash or hang. Error
// GPU_DRIVER.
Status TryDrivers();

// Errors GPU_MISSING, GPU_FEATURE as for ListGpus.
Result<std::vector<FoundGpu>> FindGpus(const VulkanInstance& instance);

}  // namespace tinyai
