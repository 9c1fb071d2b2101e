#include <algorithm>
#include <utility>

#include "gpu/gpu_device.h"
#include "gpu/vulkan_device.h"
#include "gpu/vulkan_handle.h"

namespace tinyai {

GpuTimeline& GpuTimeline::operator=(GpuTimeline&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(semaphore_, other.semaphore_);
  return *this;
}

GpuTimeline::~GpuTimeline() {
  if (device_ == nullptr) return;
  device_->vk.vkDestroySemaphore(device_->handle, As<VkSemaphore>(semaphore_), nullptr);
}

Result<GpuTimeline> GpuDevice::MakeTimeline() {
  VkSemaphoreTypeCreateInfo type{};
  type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  VkSemaphoreCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
  info.pNext = &type;
  VkSemaphore semaphore = VK_NULL_HANDLE;
  const VkResult made = device_->vk.vkCreateSemaphore(device_->handle, &info, nullptr, &semaphore);
  if (made != VK_SUCCESS) return device_->Failed(made, "GPU_MEMORY", "vkCreateSemaphore");
  GpuTimeline timeline;
  timeline.device_ = device_;
  timeline.semaphore_ = Number(semaphore);
  return timeline;
}

Result<uint64_t> GpuTimeline::value() const {
  uint64_t value = 0;
  const VkResult read =
      device_->vk.vkGetSemaphoreCounterValue(device_->handle, As<VkSemaphore>(semaphore_), &value);
  if (read != VK_SUCCESS) {
    return device_->Failed(read, "DEVICE_LOST", "vkGetSemaphoreCounterValue");
  }
  return value;
}

Status GpuTimeline::Signal(uint64_t value) {
  VkSemaphoreSignalInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO;
  info.semaphore = As<VkSemaphore>(semaphore_);
  info.value = value;
  const VkResult signalled = device_->vk.vkSignalSemaphore(device_->handle, &info);
  if (signalled != VK_SUCCESS) {
    return device_->Failed(signalled, "DEVICE_LOST", "vkSignalSemaphore");
  }
  return {};
}

Result<bool> GpuTimeline::WaitFor(uint64_t value, std::chrono::nanoseconds timeout) const {
  const VkSemaphore semaphore = As<VkSemaphore>(semaphore_);
  VkSemaphoreWaitInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO;
  info.semaphoreCount = 1;
  info.pSemaphores = &semaphore;
  info.pValues = &value;
  const VkResult waited = device_->vk.vkWaitSemaphores(
      device_->handle, &info, static_cast<uint64_t>(std::max<int64_t>(timeout.count(), 0)));
  if (waited == VK_TIMEOUT) return false;
  if (waited != VK_SUCCESS) return device_->Failed(waited, "DEVICE_LOST", "vkWaitSemaphores");
  return true;
}

}  // namespace tinyai
