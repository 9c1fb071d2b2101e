#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "gpu/gpu_test_support.h"
#include "gpu/self_check.h"
#include "gpu/vulkan_device.h"
#include "os/child_process.h"

// Drivers that fail: other functions in place of the real ones, and loaders led astray.
namespace tinyai {
namespace {

int allocations_left = 0;
PFN_vkAllocateMemory real_allocate = nullptr;

VKAPI_ATTR VkResult VKAPI_CALL AllocateSome(VkDevice device, const VkMemoryAllocateInfo* info,
                                            const VkAllocationCallbacks* callbacks,
                                            VkDeviceMemory* memory) {
  if (allocations_left-- <= 0) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  return real_allocate(device, info, callbacks, memory);
}

TEST(DriverFaults, NoMemoryAtAnyAllocationIsAnErrorAndNothingIsKept) {
  TINYAI_NEEDS_GPU(device);
  real_allocate = device->vulkan().vk.vkAllocateMemory;
  device->vulkan().vk.vkAllocateMemory = AllocateSome;
  for (int k = 0; k < 3; ++k) {
    allocations_left = k;
    Budget budget("VRAM", Budget::kUnlimited);
    std::vector<GpuArena> arenas;
    for (int i = 0; i < k; ++i) {
      arenas.push_back(device->Allocate(budget, GpuArena::Kind::kDevice, 64, "a").value());
    }
    const auto failed = device->Allocate(budget, GpuArena::Kind::kDevice, 64, "the last");
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().key, "GPU_MEMORY");
    EXPECT_NE(failed.error().message.find("the last"), std::string::npos);
    EXPECT_EQ(budget.used_bytes(), static_cast<uint64_t>(k) * 64);
  }
  EXPECT_FALSE(device->lost());
}

VKAPI_ATTR VkResult VKAPI_CALL LoseTheDevice(VkQueue, uint32_t, const VkSubmitInfo*, VkFence) {
  return VK_ERROR_DEVICE_LOST;
}

TEST(DriverFaults, ALostDeviceIsRememberedAsSuch) {
  TINYAI_NEEDS_GPU(device);
  device->vulkan().vk.vkQueueSubmit = LoseTheDevice;
  GpuBatch batch = device->MakeBatch().value();
  ASSERT_TRUE(batch.Begin());
  ASSERT_TRUE(batch.End());
  const Status submitted = device->Submit(0, batch, {}, {});
  ASSERT_FALSE(submitted);
  EXPECT_EQ(submitted.error().key, "DEVICE_LOST");
  EXPECT_TRUE(device->lost());
}

PFN_vkCmdCopyBuffer real_copy = nullptr;

VKAPI_ATTR void VKAPI_CALL CopyElsewhere(VkCommandBuffer commands, VkBuffer from, VkBuffer to,
                                         uint32_t count, const VkBufferCopy* regions) {
  VkBufferCopy less = regions[0];
  less.size -= 4;  // the last element stays as it was
  real_copy(commands, from, to, count, &less);
}

TEST(DriverFaults, TheSelfTestFindsADeviceThatComputesWrongly) {
  TINYAI_NEEDS_GPU(device);
  real_copy = device->vulkan().vk.vkCmdCopyBuffer;
  device->vulkan().vk.vkCmdCopyBuffer = CopyElsewhere;
  const Status passed = CheckGpu(*device);
  ASSERT_FALSE(passed);
  EXPECT_EQ(passed.error().key, "DEVICE_WRONG_RESULT");
  EXPECT_NE(passed.error().message.find("kernel 'whole numbers'"), std::string::npos)
      << passed.error().message;
}

// In a process of its own: which drivers there are is asked once.
std::string ListWithDrivers(const char* files) {
  const Result<std::string> answer = RunInChild(
      [&]() -> std::string {
        ::setenv("VK_ICD_FILENAMES", files, 1);
        ::setenv("VK_DRIVER_FILES", files, 1);
        const Result<std::vector<GpuInfo>> gpus = ListGpus();
        return gpus ? std::to_string(gpus->size()) : std::string(gpus.error().key);
      },
      std::chrono::seconds(30));
  return answer ? *answer : answer.error().message;
}

TEST(DriverFaults, AMissingOrDamagedDriverFileMeansNoGpu) {
  EXPECT_EQ(ListWithDrivers("/nonexistent/driver.json"), "GPU_MISSING");
  EXPECT_EQ(ListWithDrivers(TINYAI_SOURCE_DIR "/README.md"), "GPU_MISSING");
}

}  // namespace
}  // namespace tinyai
