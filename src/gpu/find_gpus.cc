#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>

#include "fmt/format.h"
#include "gpu/vulkan_instance.h"
#include "os/child_process.h"

namespace tinyai {
namespace {

// Loading all drivers and asking for their devices takes a tenth of a second; some need a second.
constexpr std::chrono::seconds kProbeTimeout(10);

struct Properties {
  VkPhysicalDeviceProperties2 base{};
  VkPhysicalDeviceIDProperties id{};
  VkPhysicalDeviceDriverProperties driver{};
  VkPhysicalDeviceSubgroupProperties subgroup{};
  VkPhysicalDeviceMaintenance3Properties maintenance{};

  explicit Properties(VkPhysicalDevice device) {
    base.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    id.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES;
    driver.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES;
    subgroup.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES;
    maintenance.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES;
    base.pNext = &id;
    id.pNext = &driver;
    driver.pNext = &subgroup;
    subgroup.pNext = &maintenance;
    vkGetPhysicalDeviceProperties2(device, &base);
  }
};

struct Features {
  VkPhysicalDeviceFeatures2 base{};
  VkPhysicalDeviceVulkan11Features v11{};
  VkPhysicalDeviceVulkan12Features v12{};

  explicit Features(VkPhysicalDevice device) {
    base.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    v11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
    v12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
    base.pNext = &v11;
    v11.pNext = &v12;
    vkGetPhysicalDeviceFeatures2(device, &base);
  }
};

// The first family that computes, preferring one that does nothing else but copy.
std::optional<std::pair<uint32_t, uint32_t>> ComputeQueues(VkPhysicalDevice device) {
  uint32_t count = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vkGetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
  std::optional<std::pair<uint32_t, uint32_t>> found;
  for (uint32_t i = 0; i < count; ++i) {
    const VkQueueFlags flags = families[i].queueFlags;
    if ((flags & VK_QUEUE_COMPUTE_BIT) == 0 || families[i].queueCount == 0) continue;
    const bool alone = (flags & VK_QUEUE_GRAPHICS_BIT) == 0;
    if (!found || alone) found = std::pair(i, families[i].queueCount);
    if (alone) break;
  }
  return found;
}

uint64_t OwnMemory(VkPhysicalDevice device) {
  VkPhysicalDeviceMemoryProperties memory;
  vkGetPhysicalDeviceMemoryProperties(device, &memory);
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < memory.memoryHeapCount; ++i) {
    if ((memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0) {
      bytes = std::max<uint64_t>(bytes, memory.memoryHeaps[i].size);
    }
  }
  return bytes;
}

GpuInfo Describe(VkPhysicalDevice device, const Features& features, uint32_t queues) {
  const Properties properties(device);
  const VkPhysicalDeviceLimits& limits = properties.base.properties.limits;
  GpuInfo info;
  info.name = properties.base.properties.deviceName;
  info.driver = fmt::format("{} {}", properties.driver.driverName, properties.driver.driverInfo);
  std::copy_n(properties.id.deviceUUID, 16, info.uuid.begin());
  std::copy_n(properties.id.driverUUID, 16, info.driver_uuid.begin());
  info.software = properties.base.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
  info.memory_bytes = OwnMemory(device);
  info.queues = queues;
  info.features = {
      .int64 = features.base.features.shaderInt64 == VK_TRUE,
      .float64 = features.base.features.shaderFloat64 == VK_TRUE,
      .float16 = features.v12.shaderFloat16 == VK_TRUE &&
                 features.v11.storageBuffer16BitAccess == VK_TRUE &&
                 features.base.features.shaderInt16 == VK_TRUE,
      .int8 = features.v12.storageBuffer8BitAccess == VK_TRUE && features.v12.shaderInt8 == VK_TRUE,
  };
  info.limits = {
      .range_bytes = limits.maxStorageBufferRange,
      .allocation_bytes = properties.maintenance.maxMemoryAllocationSize,
      .offset_alignment = limits.minStorageBufferOffsetAlignment,
      .invocations =
          std::min(limits.maxComputeWorkGroupInvocations, limits.maxComputeWorkGroupSize[0]),
      .groups = limits.maxComputeWorkGroupCount[0],
      .shared_bytes = limits.maxComputeSharedMemorySize,
      .subgroup = properties.subgroup.subgroupSize,
  };
  return info;
}

// What a device lacks; empty if nothing.
std::string Lacks(VkPhysicalDevice device, const Features& features) {
  VkPhysicalDeviceProperties properties;
  vkGetPhysicalDeviceProperties(device, &properties);
  if (properties.apiVersion < VK_API_VERSION_1_2) return "Vulkan 1.2";
  if (features.v12.timelineSemaphore != VK_TRUE) return "timeline semaphores";
  if (!ComputeQueues(device)) return "a queue that computes";
  return "";
}

// Once for all: the drivers that this process may load afterwards.
const Status& Probed() {
  static const Status status = TryDrivers();
  return status;
}

}  // namespace

Status TryDrivers() {
  const Result<std::string> answer = RunInChild(
      []() -> std::string {
        const auto instance = VulkanInstance::Make(false);
        if (instance) static_cast<void>(FindGpus(**instance));
        return "ok";
      },
      kProbeTimeout);
  if (answer) return {};
  return Fail(ErrorCode::kUnsupported, "GPU_DRIVER",
              fmt::format("a Vulkan driver failed when it was tried in a process of its own: {}; "
                          "VK_ICD_FILENAMES can leave it out",
                          answer.error().message));
}

Result<std::vector<FoundGpu>> FindGpus(const VulkanInstance& instance) {
  uint32_t count = 0;
  vkEnumeratePhysicalDevices(instance.handle(), &count, nullptr);
  std::vector<VkPhysicalDevice> devices(count);
  vkEnumeratePhysicalDevices(instance.handle(), &count, devices.data());
  devices.resize(count);
  std::vector<FoundGpu> found;
  std::string refused;
  for (VkPhysicalDevice device : devices) {
    const Features features(device);
    if (const std::string lacks = Lacks(device, features); !lacks.empty()) {
      refused += fmt::format("{}{} lacks {}", refused.empty() ? "" : ", ",
                             Properties(device).base.properties.deviceName, lacks);
      continue;
    }
    const auto [family, queues] = *ComputeQueues(device);
    found.push_back({device, family, Describe(device, features, queues)});
  }
  if (!found.empty()) return found;
  if (!refused.empty()) return Fail(ErrorCode::kUnsupported, "GPU_FEATURE", refused);
  return Fail(ErrorCode::kUnsupported, "GPU_MISSING",
              "Vulkan finds no device (Debian: mesa-vulkan-drivers has one that needs no GPU)");
}

Result<std::vector<GpuInfo>> ListGpus() {
  TRY(Probed());
  TRY_ASSIGN(const std::shared_ptr<VulkanInstance> instance, VulkanInstance::Make(false));
  TRY_ASSIGN(const std::vector<FoundGpu> found, FindGpus(*instance));
  std::vector<GpuInfo> infos;
  for (const FoundGpu& gpu : found) infos.push_back(gpu.info);
  return infos;
}

}  // namespace tinyai
