#include "gpu/gpu_device.h"

#include <algorithm>

#include "fmt/format.h"
#include "gpu/pipeline_cache.h"
#include "gpu/vulkan_device.h"

namespace tinyai {
namespace {

constexpr uint32_t kMostQueues = 8;

// Everything that the device has and kernels may use.
struct EnabledFeatures {
  VkPhysicalDeviceFeatures2 base{};
  VkPhysicalDeviceVulkan11Features v11{};
  VkPhysicalDeviceVulkan12Features v12{};

  explicit EnabledFeatures(const GpuFeatures& features) {
    base.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    v11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
    v12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
    base.pNext = &v11;
    v11.pNext = &v12;
    base.features.shaderInt64 = features.int64;
    base.features.shaderFloat64 = features.float64;
    base.features.shaderInt16 = features.float16;
    v11.storageBuffer16BitAccess = features.float16;
    v12.shaderFloat16 = features.float16;
    v12.storageBuffer8BitAccess = features.int8;
    v12.shaderInt8 = features.int8;
    v12.timelineSemaphore = VK_TRUE;
  }
};

Status MakeHandle(VulkanDevice& device) {
  const uint32_t queues = std::min(device.gpu.info.queues, kMostQueues);
  const std::vector<float> priorities(queues, 1.0f);
  VkDeviceQueueCreateInfo queue{};
  queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
  queue.queueFamilyIndex = device.gpu.queue_family;
  queue.queueCount = queues;
  queue.pQueuePriorities = priorities.data();
  EnabledFeatures features(device.gpu.info.features);
  VkDeviceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
  info.pNext = &features.base;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  const VkResult made = vkCreateDevice(device.gpu.handle, &info, nullptr, &device.handle);
  if (made != VK_SUCCESS) return VulkanError(made, "GPU_MISSING", "vkCreateDevice");
  volkLoadDeviceTable(&device.vk, device.handle);
  device.queues.resize(queues);
  for (uint32_t i = 0; i < queues; ++i) {
    device.vk.vkGetDeviceQueue(device.handle, device.gpu.queue_family, i, &device.queues[i]);
  }
  vkGetPhysicalDeviceMemoryProperties(device.gpu.handle, &device.memory);
  return {};
}

}  // namespace

VulkanDevice::~VulkanDevice() {
  if (handle == VK_NULL_HANDLE) return;
  StorePipelineCache(*this);
  for (VkDescriptorPool pool : pools) vk.vkDestroyDescriptorPool(handle, pool, nullptr);
  vk.vkDestroyDevice(handle, nullptr);
}

tl::unexpected<Error> VulkanDevice::Failed(VkResult result, std::string_view key,
                                           std::string_view call) {
  if (result == VK_ERROR_DEVICE_LOST) lost = true;
  return VulkanError(result, key, call);
}

Result<std::unique_ptr<GpuDevice>> GpuDevice::Open(const GpuOptions& options) {
  TRY_ASSIGN(const std::vector<GpuInfo> infos, ListGpus());
  TRY_ASSIGN(const size_t chosen, ChooseGpu(infos, options.wish));
  auto device = std::make_shared<VulkanDevice>();
  TRY_ASSIGN(device->instance, VulkanInstance::Make(options.validate));
  TRY_ASSIGN(const std::vector<FoundGpu> found, FindGpus(*device->instance));
  const auto gpu = std::find_if(found.begin(), found.end(), [&](const FoundGpu& candidate) {
    return candidate.info.uuid == infos[chosen].uuid;
  });
  if (gpu == found.end()) {
    return Fail(ErrorCode::kUnsupported, "GPU_MISSING",
                fmt::format("{} has gone since it was listed", infos[chosen].name));
  }
  device->gpu = *gpu;
  TRY(MakeHandle(*device));
  LoadPipelineCache(*device);
  return std::unique_ptr<GpuDevice>(new GpuDevice(std::move(device)));
}

const GpuInfo& GpuDevice::info() const { return device_->gpu.info; }
uint32_t GpuDevice::queues() const { return static_cast<uint32_t>(device_->queues.size()); }
bool GpuDevice::lost() const { return device_->lost; }
void GpuDevice::GiveUp() { device_->lost = true; }
bool GpuDevice::validated() const { return device_->instance->validates(); }
std::vector<std::string> GpuDevice::TakeMessages() { return device_->instance->TakeMessages(); }

Status GpuDevice::WaitIdle() {
  const std::lock_guard lock(device_->submit_mutex);
  const VkResult idle = device_->vk.vkDeviceWaitIdle(device_->handle);
  if (idle != VK_SUCCESS) return device_->Failed(idle, "DEVICE_LOST", "vkDeviceWaitIdle");
  return {};
}

}  // namespace tinyai
