#include "gpu/gpu_faults.h"

#include <atomic>

#include "gpu/vulkan_device.h"

namespace tinyai {
namespace {

std::atomic<int> submits_left{0};
GpuFault submit_fault = GpuFault::kLost;
PFN_vkQueueSubmit real_submit = nullptr;

VKAPI_ATTR VkResult VKAPI_CALL Submit(VkQueue queue, uint32_t count, const VkSubmitInfo* infos,
                                      VkFence fence) {
  if (submits_left-- != 0) return real_submit(queue, count, infos, fence);
  if (submit_fault == GpuFault::kLost) return VK_ERROR_DEVICE_LOST;
  VkSubmitInfo silent = *infos;
  VkTimelineSemaphoreSubmitInfo values =
      *static_cast<const VkTimelineSemaphoreSubmitInfo*>(infos->pNext);
  values.signalSemaphoreValueCount = 0;
  silent.pNext = &values;
  silent.signalSemaphoreCount = 0;
  return real_submit(queue, 1, &silent, fence);
}

}  // namespace

void FailAtSubmit(GpuDevice& device, GpuFault fault, int which) {
  PFN_vkQueueSubmit& submit = device.vulkan().vk.vkQueueSubmit;
  if (submit != Submit) real_submit = submit;
  submit = Submit;
  submit_fault = fault;
  submits_left = which;
}

bool SubmitHasFailed() { return submits_left < 0; }

void LimitRange(GpuDevice& device, uint64_t bytes) {
  device.vulkan().gpu.info.limits.range_bytes = bytes;
}

}  // namespace tinyai
