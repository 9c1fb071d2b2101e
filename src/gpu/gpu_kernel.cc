#include <utility>

#include "fmt/format.h"
#include "gpu/gpu_device.h"
#include "gpu/vulkan_device.h"
#include "gpu/vulkan_handle.h"

namespace tinyai {
namespace {

constexpr uint32_t kSetsInPool = 256;
constexpr uint32_t kBuffersInSet = 8;  // on average, in a pool

Result<VkDescriptorSetLayout> MakeSetLayout(VulkanDevice& device, uint32_t buffers) {
  std::vector<VkDescriptorSetLayoutBinding> bindings(buffers);
  for (uint32_t i = 0; i < buffers; ++i) {
    bindings[i].binding = i;
    bindings[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    bindings[i].descriptorCount = 1;
    bindings[i].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
  }
  VkDescriptorSetLayoutCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO;
  info.bindingCount = buffers;
  info.pBindings = bindings.data();
  VkDescriptorSetLayout layout = VK_NULL_HANDLE;
  const VkResult made =
      device.vk.vkCreateDescriptorSetLayout(device.handle, &info, nullptr, &layout);
  if (made != VK_SUCCESS) return device.Failed(made, "GPU_KERNEL", "vkCreateDescriptorSetLayout");
  return layout;
}

Result<VkPipelineLayout> MakeLayout(VulkanDevice& device, VkDescriptorSetLayout set) {
  VkPushConstantRange push{};
  push.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
  push.size = GpuKernel::kPushBytes;
  VkPipelineLayoutCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
  info.setLayoutCount = 1;
  info.pSetLayouts = &set;
  info.pushConstantRangeCount = 1;
  info.pPushConstantRanges = &push;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  const VkResult made = device.vk.vkCreatePipelineLayout(device.handle, &info, nullptr, &layout);
  if (made != VK_SUCCESS) return device.Failed(made, "GPU_KERNEL", "vkCreatePipelineLayout");
  return layout;
}

Result<VkPipeline> MakePipeline(VulkanDevice& device, std::string_view name,
                                std::span<const uint32_t> code, VkPipelineLayout layout) {
  VkShaderModuleCreateInfo shader{};
  shader.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
  shader.codeSize = code.size_bytes();
  shader.pCode = code.data();
  VkShaderModule module = VK_NULL_HANDLE;
  VkResult made = device.vk.vkCreateShaderModule(device.handle, &shader, nullptr, &module);
  if (made != VK_SUCCESS) {
    return device.Failed(made, "GPU_KERNEL", fmt::format("loading kernel {}", name));
  }
  VkComputePipelineCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.layout = layout;
  VkPipeline pipeline = VK_NULL_HANDLE;
  made =
      device.vk.vkCreateComputePipelines(device.handle, device.cache, 1, &info, nullptr, &pipeline);
  device.vk.vkDestroyShaderModule(device.handle, module, nullptr);
  if (made != VK_SUCCESS) {
    return device.Failed(made, "GPU_KERNEL", fmt::format("building kernel {}", name));
  }
  return pipeline;
}

Status AddPool(VulkanDevice& device) {
  VkDescriptorPoolSize size{};
  size.type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
  size.descriptorCount = kSetsInPool * kBuffersInSet;
  VkDescriptorPoolCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO;
  info.maxSets = kSetsInPool;
  info.poolSizeCount = 1;
  info.pPoolSizes = &size;
  VkDescriptorPool pool = VK_NULL_HANDLE;
  const VkResult made = device.vk.vkCreateDescriptorPool(device.handle, &info, nullptr, &pool);
  if (made != VK_SUCCESS) return device.Failed(made, "GPU_MEMORY", "vkCreateDescriptorPool");
  device.pools.push_back(pool);
  return {};
}

Result<VkDescriptorSet> MakeSet(VulkanDevice& device, VkDescriptorSetLayout layout) {
  const std::lock_guard lock(device.sets_mutex);
  for (int attempt = 0;; ++attempt) {
    if (device.pools.empty()) TRY(AddPool(device));
    VkDescriptorSetAllocateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO;
    info.descriptorPool = device.pools.back();
    info.descriptorSetCount = 1;
    info.pSetLayouts = &layout;
    VkDescriptorSet set = VK_NULL_HANDLE;
    const VkResult made = device.vk.vkAllocateDescriptorSets(device.handle, &info, &set);
    if (made == VK_SUCCESS) return set;
    const bool full = made == VK_ERROR_OUT_OF_POOL_MEMORY || made == VK_ERROR_FRAGMENTED_POOL;
    if (!full || attempt > 0) {
      return device.Failed(made, "GPU_MEMORY", "vkAllocateDescriptorSets");
    }
    TRY(AddPool(device));
  }
}

}  // namespace

GpuKernel& GpuKernel::operator=(GpuKernel&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(pipeline_, other.pipeline_);
  std::swap(layout_, other.layout_);
  std::swap(set_layout_, other.set_layout_);
  std::swap(buffers_, other.buffers_);
  return *this;
}

GpuKernel::~GpuKernel() {
  if (device_ == nullptr) return;
  const VolkDeviceTable& vk = device_->vk;
  vk.vkDestroyPipeline(device_->handle, As<VkPipeline>(pipeline_), nullptr);
  vk.vkDestroyPipelineLayout(device_->handle, As<VkPipelineLayout>(layout_), nullptr);
  vk.vkDestroyDescriptorSetLayout(device_->handle, As<VkDescriptorSetLayout>(set_layout_), nullptr);
}

Result<GpuKernel> GpuDevice::MakeKernel(std::string_view name, std::span<const uint32_t> code,
                                        uint32_t buffers) {
  GpuKernel kernel;
  kernel.device_ = device_;
  kernel.buffers_ = buffers;
  TRY_ASSIGN(const VkDescriptorSetLayout set_layout, MakeSetLayout(*device_, buffers));
  kernel.set_layout_ = Number(set_layout);
  TRY_ASSIGN(const VkPipelineLayout layout, MakeLayout(*device_, set_layout));
  kernel.layout_ = Number(layout);
  TRY_ASSIGN(const VkPipeline pipeline, MakePipeline(*device_, name, code, layout));
  kernel.pipeline_ = Number(pipeline);
  return kernel;
}

Result<GpuBinding> GpuDevice::Bind(const GpuKernel& kernel, std::span<const GpuRange> ranges) {
  std::vector<VkDescriptorBufferInfo> buffers(ranges.size());
  std::vector<VkWriteDescriptorSet> writes(ranges.size());
  TRY_ASSIGN(const VkDescriptorSet set,
             MakeSet(*device_, As<VkDescriptorSetLayout>(kernel.set_layout_)));
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].bytes > info().limits.range_bytes) {
      return Fail(ErrorCode::kUnsupported, "GPU_FEATURE",
                  fmt::format("{} lets a kernel see {} bytes of a buffer, not {}", info().name,
                              info().limits.range_bytes, ranges[i].bytes));
    }
    buffers[i] = {As<VkBuffer>(ranges[i].arena->buffer_), ranges[i].offset, ranges[i].bytes};
    writes[i].sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
    writes[i].dstSet = set;
    writes[i].dstBinding = static_cast<uint32_t>(i);
    writes[i].descriptorCount = 1;
    writes[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    writes[i].pBufferInfo = &buffers[i];
  }
  device_->vk.vkUpdateDescriptorSets(device_->handle, static_cast<uint32_t>(writes.size()),
                                     writes.data(), 0, nullptr);
  return GpuBinding{&kernel, Number(set)};
}

}  // namespace tinyai
