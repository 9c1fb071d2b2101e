#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "gpu/gpu_test_support.h"
#include "gpu/self_check.h"
#include "gpu/vulkan_device.h"
#include "gpu/vulkan_instance.h"
#include "os/child_process.h"
#include "os/testing.h"
#include "paths/paths.h"

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

// What a kernel is given: one group of it less, or one constant that is an ulp off.
PFN_vkCmdDispatch real_dispatch = nullptr;
VKAPI_ATTR void VKAPI_CALL DispatchLess(VkCommandBuffer commands, uint32_t x, uint32_t y,
                                        uint32_t z) {
  real_dispatch(commands, x - 1, y, z);
}

PFN_vkCreateShaderModule real_module = nullptr;
VKAPI_ATTR VkResult VKAPI_CALL MakeAnotherModule(VkDevice device,
                                                 const VkShaderModuleCreateInfo* info,
                                                 const VkAllocationCallbacks* callbacks,
                                                 VkShaderModule* module) {
  std::vector<uint32_t> code(info->pCode, info->pCode + info->codeSize / sizeof(uint32_t));
  std::replace(code.begin(), code.end(), std::bit_cast<uint32_t>(1.5f),
               std::bit_cast<uint32_t>(1.5f) + 1);
  VkShaderModuleCreateInfo other = *info;
  other.pCode = code.data();
  return real_module(device, &other, callbacks, module);
}

TEST(DriverFaults, TheSelfTestNamesTheKernelThatIsWrong) {
  {
    TINYAI_NEEDS_GPU(device);
    real_dispatch = device->vulkan().vk.vkCmdDispatch;
    device->vulkan().vk.vkCmdDispatch = DispatchLess;
    const Status passed = CheckGpu(*device);
    ASSERT_FALSE(passed);
    EXPECT_EQ(passed.error().key, "DEVICE_WRONG_RESULT");
  }
  TINYAI_NEEDS_GPU(device);
  real_module = device->vulkan().vk.vkCreateShaderModule;
  device->vulkan().vk.vkCreateShaderModule = MakeAnotherModule;
  const Status passed = CheckGpu(*device);
  ASSERT_FALSE(passed);
  EXPECT_EQ(passed.error().key, "DEVICE_WRONG_RESULT");
  EXPECT_NE(passed.error().message.find("kernel 'floats'"), std::string::npos)
      << passed.error().message;
}

// In a process of its own: which drivers there are is asked once.
std::string ListWithDrivers(const std::string& files) {
  const Result<std::string> answer = RunInChild(
      [&]() -> std::string {
        ::setenv("VK_ICD_FILENAMES", files.c_str(), 1);
        ::setenv("VK_DRIVER_FILES", files.c_str(), 1);
        const Result<std::vector<GpuInfo>> gpus = ListGpus();
        return gpus ? std::to_string(gpus->size()) : std::string(gpus.error().key);
      },
      std::chrono::seconds(30));
  return answer ? *answer : answer.error().message;
}

TEST(DriverFaults, ADriverThatCrashesTakesNothingAlong) {
  const ScratchDirectory scratch;
  const std::string file = (scratch.path() / "crashing.json").string();
  std::ofstream(file) << R"({"file_format_version": "1.0.0", "ICD": {"library_path": ")"
                      << TINYAI_CRASHING_DRIVER << R"(", "api_version": "1.2.0"}})";
  const Status sound = TryDrivers();
  EXPECT_TRUE(sound) << Describe(sound.error());
  const Result<std::string> answer = RunInChild(
      [&]() -> std::string {
        ::setenv("VK_ICD_FILENAMES", file.c_str(), 1);
        ::setenv("VK_DRIVER_FILES", file.c_str(), 1);
        const Status tried = TryDrivers();
        return tried ? "it works" : Describe(tried.error());
      },
      std::chrono::seconds(30));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_NE(answer->find("GPU_DRIVER"), std::string::npos) << *answer;
  EXPECT_NE(answer->find("Aborted"), std::string::npos) << *answer;
}

// lavapipe's kernels work on as many elements at once as it is told to: subgroups of 4 and of 8.
TEST(DriverFaults, TheSizeOfSubgroupsChangesNothing) {
  {
    TINYAI_NEEDS_GPU(device);
    if (!device->info().software) GTEST_SKIP() << "this device's subgroups have one size";
  }
  for (const std::string bits : {"128", "256"}) {
    const Result<std::string> answer = RunInChild(
        [&]() -> std::string {
          ::setenv("LP_NATIVE_VECTOR_WIDTH", bits.c_str(), 1);
          std::string why;
          const auto device = AnyGpu(why);
          if (device == nullptr) return why;
          const Status passed = CheckGpu(*device);
          return passed ? std::to_string(device->info().limits.subgroup) : Describe(passed.error());
        },
        std::chrono::seconds(60));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(*answer, bits == "128" ? "4" : "8");
  }
}

TEST(DriverFaults, AMissingOrDamagedDriverFileMeansNoGpu) {
  EXPECT_EQ(ListWithDrivers("/nonexistent/driver.json"), "GPU_MISSING");
  EXPECT_EQ(ListWithDrivers(SourceFolder() + "/README.md"), "GPU_MISSING");
}

}  // namespace
}  // namespace tinyai
