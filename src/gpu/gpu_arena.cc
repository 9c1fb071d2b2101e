#include <optional>
#include <utility>

#include "base/units.h"
#include "fmt/format.h"
#include "gpu/gpu_device.h"
#include "gpu/vulkan_device.h"
#include "gpu/vulkan_handle.h"

namespace tinyai {
namespace {

constexpr VkMemoryPropertyFlags kLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
constexpr VkMemoryPropertyFlags kShared =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr VkMemoryPropertyFlags kCached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;

// The first type that the buffer may lie in and that has one of the wished sets of properties, the
// first set first.
std::optional<uint32_t> ChooseType(const VulkanDevice& device, uint32_t allowed,
                                   std::initializer_list<VkMemoryPropertyFlags> wishes) {
  for (const VkMemoryPropertyFlags wish : wishes) {
    for (uint32_t i = 0; i < device.memory.memoryTypeCount; ++i) {
      const VkMemoryPropertyFlags has = device.memory.memoryTypes[i].propertyFlags;
      if ((allowed >> i & 1) != 0 && (has & wish) == wish) return i;
    }
  }
  return std::nullopt;
}

Result<VkBuffer> MakeBuffer(VulkanDevice& device, uint64_t bytes) {
  VkBufferCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
  info.size = bytes;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
               VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  VkBuffer buffer = VK_NULL_HANDLE;
  const VkResult made = device.vk.vkCreateBuffer(device.handle, &info, nullptr, &buffer);
  if (made != VK_SUCCESS) return device.Failed(made, "GPU_MEMORY", "vkCreateBuffer");
  return buffer;
}

}  // namespace

GpuArena& GpuArena::operator=(GpuArena&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(buffer_, other.buffer_);
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  std::swap(data_, other.data_);
  std::swap(charge_, other.charge_);
  return *this;
}

GpuArena::~GpuArena() {
  if (device_ == nullptr) return;
  const VolkDeviceTable& vk = device_->vk;
  vk.vkDestroyBuffer(device_->handle, As<VkBuffer>(buffer_), nullptr);
  vk.vkFreeMemory(device_->handle, As<VkDeviceMemory>(memory_), nullptr);
}

Result<GpuArena> GpuDevice::Allocate(Budget& budget, GpuArena::Kind kind, uint64_t bytes,
                                     std::string_view what) {
  if (bytes == 0) bytes = 16;
  const GpuLimits& limits = info().limits;
  if (bytes > limits.allocation_bytes) {
    return Fail(
        ErrorCode::kOutOfMemory, "GPU_MEMORY",
        fmt::format("{} needs {}, but {} gives {} in one piece", what, FormatByteSize(bytes),
                    info().name, FormatByteSize(limits.allocation_bytes)));
  }
  GpuArena arena;
  TRY_ASSIGN(arena.charge_, Charge::Take(budget, bytes, what));
  TRY_ASSIGN(const VkBuffer buffer, MakeBuffer(*device_, bytes));
  arena.device_ = device_;  // from here on its destructor cleans up
  arena.buffer_ = Number(buffer);
  arena.size_ = bytes;
  VkMemoryRequirements needs;
  device_->vk.vkGetBufferMemoryRequirements(device_->handle, buffer, &needs);
  const bool own = kind == GpuArena::Kind::kDevice;
  const std::optional<uint32_t> type =
      own ? ChooseType(*device_, needs.memoryTypeBits, {kLocal | kShared, kLocal, 0})
          : ChooseType(*device_, needs.memoryTypeBits, {kShared | kCached, kShared});
  if (!type) {
    return Fail(ErrorCode::kUnsupported, "GPU_FEATURE",
                fmt::format("{} has no memory that the CPU sees too", info().name));
  }
  VkMemoryAllocateInfo allocation{};
  allocation.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
  allocation.allocationSize = needs.size;
  allocation.memoryTypeIndex = *type;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  const VolkDeviceTable& vk = device_->vk;
  VkResult result = vk.vkAllocateMemory(device_->handle, &allocation, nullptr, &memory);
  if (result != VK_SUCCESS) {
    return device_->Failed(
        result, "GPU_MEMORY",
        fmt::format("allocating {} for {} on {}", FormatByteSize(bytes), what, info().name));
  }
  arena.memory_ = Number(memory);
  result = vk.vkBindBufferMemory(device_->handle, buffer, memory, 0);
  if (result != VK_SUCCESS) return device_->Failed(result, "GPU_MEMORY", "vkBindBufferMemory");
  const VkMemoryPropertyFlags has = device_->memory.memoryTypes[*type].propertyFlags;
  if ((has & kShared) == kShared) {
    void* mapped = nullptr;
    result = vk.vkMapMemory(device_->handle, memory, 0, VK_WHOLE_SIZE, 0, &mapped);
    if (result == VK_SUCCESS) {
      arena.data_ = static_cast<std::byte*>(mapped);
    } else if (!own) {
      return device_->Failed(result, "GPU_MEMORY", "vkMapMemory");
    }
  }
  return arena;
}

}  // namespace tinyai
