#include <utility>

#include "gpu/gpu_device.h"
#include "gpu/vulkan_device.h"
#include "gpu/vulkan_handle.h"

namespace tinyai {
namespace {

constexpr VkPipelineStageFlags kWork =
    VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
constexpr VkAccessFlags kReads = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;
constexpr VkAccessFlags kWrites = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;

struct Half {
  VkPipelineStageFlags stages;
  VkAccessFlags accesses;
};

void AddBarrier(const VulkanDevice& device, VkCommandBuffer commands, Half before, Half after) {
  VkMemoryBarrier barrier{};
  barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  barrier.srcAccessMask = before.accesses;
  barrier.dstAccessMask = after.accesses;
  device.vk.vkCmdPipelineBarrier(commands, before.stages, after.stages, 0, 1, &barrier, 0, nullptr,
                                 0, nullptr);
}

}  // namespace

GpuBatch& GpuBatch::operator=(GpuBatch&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(pool_, other.pool_);
  std::swap(commands_, other.commands_);
  return *this;
}

GpuBatch::~GpuBatch() {
  if (device_ == nullptr) return;
  device_->vk.vkDestroyCommandPool(device_->handle, As<VkCommandPool>(pool_), nullptr);
}

Result<GpuBatch> GpuDevice::MakeBatch() {
  VkCommandPoolCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
  info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  info.queueFamilyIndex = device_->gpu.queue_family;
  VkCommandPool pool = VK_NULL_HANDLE;
  VkResult made = device_->vk.vkCreateCommandPool(device_->handle, &info, nullptr, &pool);
  if (made != VK_SUCCESS) return device_->Failed(made, "GPU_MEMORY", "vkCreateCommandPool");
  GpuBatch batch;
  batch.device_ = device_;
  batch.pool_ = Number(pool);
  VkCommandBufferAllocateInfo allocation{};
  allocation.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
  allocation.commandPool = pool;
  allocation.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  allocation.commandBufferCount = 1;
  VkCommandBuffer commands = nullptr;
  made = device_->vk.vkAllocateCommandBuffers(device_->handle, &allocation, &commands);
  if (made != VK_SUCCESS) return device_->Failed(made, "GPU_MEMORY", "vkAllocateCommandBuffers");
  batch.commands_ = commands;
  return batch;
}

Status GpuBatch::Begin() {
  VkCommandBufferBeginInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
  info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  const VkResult begun =
      device_->vk.vkBeginCommandBuffer(static_cast<VkCommandBuffer>(commands_), &info);
  if (begun != VK_SUCCESS) return device_->Failed(begun, "GPU_MEMORY", "vkBeginCommandBuffer");
  return {};
}

void GpuBatch::Dispatch(const GpuBinding& binding, std::span<const std::byte> push,
                        uint32_t groups) {
  const auto commands = static_cast<VkCommandBuffer>(commands_);
  const VolkDeviceTable& vk = device_->vk;
  const auto layout = As<VkPipelineLayout>(binding.kernel->layout_);
  const auto set = As<VkDescriptorSet>(binding.set);
  vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE,
                       As<VkPipeline>(binding.kernel->pipeline_));
  vk.vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1, &set, 0,
                             nullptr);
  if (!push.empty()) {
    vk.vkCmdPushConstants(commands, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                          static_cast<uint32_t>(push.size()), push.data());
  }
  vk.vkCmdDispatch(commands, groups, 1, 1);
}

void GpuBatch::Copy(const GpuRange& from, const GpuRange& to) {
  const VkBufferCopy region{from.offset, to.offset, from.bytes};
  device_->vk.vkCmdCopyBuffer(static_cast<VkCommandBuffer>(commands_),
                              As<VkBuffer>(from.arena->buffer_), As<VkBuffer>(to.arena->buffer_), 1,
                              &region);
}

void GpuBatch::Barrier() {
  AddBarrier(*device_, static_cast<VkCommandBuffer>(commands_), {kWork, kWrites},
             {kWork, kReads | kWrites});
}

void GpuBatch::AfterHost() {
  AddBarrier(*device_, static_cast<VkCommandBuffer>(commands_),
             {VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_WRITE_BIT}, {kWork, kReads | kWrites});
}

void GpuBatch::BeforeHost() {
  AddBarrier(*device_, static_cast<VkCommandBuffer>(commands_), {kWork, kWrites},
             {VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT});
}

Status GpuBatch::End() {
  const VkResult ended = device_->vk.vkEndCommandBuffer(static_cast<VkCommandBuffer>(commands_));
  if (ended != VK_SUCCESS) return device_->Failed(ended, "GPU_MEMORY", "vkEndCommandBuffer");
  return {};
}

Status GpuDevice::Submit(uint32_t queue, const GpuBatch& batch, std::span<const GpuPoint> waits,
                         std::span<const GpuPoint> signals) {
  std::vector<VkSemaphore> semaphores;
  std::vector<uint64_t> values;
  for (const std::span<const GpuPoint> points : {waits, signals}) {
    for (const GpuPoint& point : points) {
      semaphores.push_back(As<VkSemaphore>(point.timeline->semaphore_));
      values.push_back(point.value);
    }
  }
  const std::vector<VkPipelineStageFlags> stages(waits.size(), VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
  VkTimelineSemaphoreSubmitInfo timeline{};
  timeline.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
  timeline.waitSemaphoreValueCount = static_cast<uint32_t>(waits.size());
  timeline.pWaitSemaphoreValues = values.data();
  timeline.signalSemaphoreValueCount = static_cast<uint32_t>(signals.size());
  timeline.pSignalSemaphoreValues = values.data() + waits.size();
  const auto commands = static_cast<VkCommandBuffer>(batch.commands_);
  VkSubmitInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
  info.pNext = &timeline;
  info.waitSemaphoreCount = static_cast<uint32_t>(waits.size());
  info.pWaitSemaphores = semaphores.data();
  info.pWaitDstStageMask = stages.data();
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands;
  info.signalSemaphoreCount = static_cast<uint32_t>(signals.size());
  info.pSignalSemaphores = semaphores.data() + waits.size();
  const std::lock_guard lock(device_->submit_mutex);
  const VkResult submitted =
      device_->vk.vkQueueSubmit(device_->queues[queue], 1, &info, VK_NULL_HANDLE);
  if (submitted != VK_SUCCESS) return device_->Failed(submitted, "DEVICE_LOST", "vkQueueSubmit");
  return {};
}

}  // namespace tinyai
