#include "gpu/gpu_device.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <thread>

#include "gpu/compile_glsl.h"
#include "gpu/gpu_test_support.h"
#include "gpu/self_check.h"

namespace tinyai {
namespace {

using namespace std::chrono_literals;

TEST(GpuDevice, PassesItsSelfTest) {
  TINYAI_NEEDS_GPU(device);
  const Status passed = CheckGpu(*device);
  EXPECT_TRUE(passed) << Describe(passed.error());
}

TEST(GpuDevice, SaysWhatThereIsIfTheWishIsForAnother) {
  TINYAI_NEEDS_GPU(device);
  const auto other = GpuDevice::Open({.wish = "no such card"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().key, "GPU_MISSING");
  EXPECT_NE(other.error().message.find(device->info().name), std::string::npos);
}

TEST(GpuDevice, ArenasAreChargedToTheBudgetAndReturned) {
  TINYAI_NEEDS_GPU(device);
  Budget budget("VRAM", 1 << 20);
  {
    const auto arena = device->Allocate(budget, GpuArena::Kind::kDevice, 1 << 19, "half");
    ASSERT_TRUE(arena) << Describe(arena.error());
    EXPECT_EQ(budget.used_bytes(), 1u << 19);
    const auto more = device->Allocate(budget, GpuArena::Kind::kDevice, 1 << 20, "too much");
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().key, "BUDGET_EXCEEDED");
  }
  EXPECT_EQ(budget.used_bytes(), 0u);
}

TEST(GpuDevice, MoreThanOnePieceIsRefusedByName) {
  TINYAI_NEEDS_GPU(device);
  Budget budget("VRAM", Budget::kUnlimited);
  const uint64_t bytes = device->info().limits.allocation_bytes;
  if (bytes == ~uint64_t{0}) GTEST_SKIP() << "this device has no limit";
  const auto arena = device->Allocate(budget, GpuArena::Kind::kDevice, bytes + 1, "weights");
  ASSERT_FALSE(arena);
  EXPECT_EQ(arena.error().key, "GPU_MEMORY");
  EXPECT_NE(arena.error().message.find("weights"), std::string::npos);
  EXPECT_EQ(budget.used_bytes(), 0u);
}

TEST(GpuTimeline, HostAndDeviceWaitForEachOther) {
  TINYAI_NEEDS_GPU(device);
  Budget budget("memory", Budget::kUnlimited);
  GpuArena host = device->Allocate(budget, GpuArena::Kind::kHost, 32, "words").value();
  GpuTimeline ours = device->MakeTimeline().value(), theirs = device->MakeTimeline().value();
  GpuBatch batch = device->MakeBatch().value();
  ASSERT_TRUE(batch.Begin());
  batch.AfterHost();
  batch.Copy({&host, 0, 16}, {&host, 16, 16});
  batch.BeforeHost();
  ASSERT_TRUE(batch.End());
  std::memset(host.data(), 0, 32);
  ASSERT_TRUE(
      device->Submit(0, batch, std::array{GpuPoint{&ours, 3}}, std::array{GpuPoint{&theirs, 5}}));
  EXPECT_FALSE(theirs.WaitFor(5, 20ms).value());
  std::memcpy(host.data(), "sixteen letters", 16);
  ASSERT_TRUE(ours.Signal(3));
  EXPECT_TRUE(theirs.WaitFor(5, 10s).value());
  EXPECT_EQ(theirs.value().value(), 5u);
  EXPECT_STREQ(reinterpret_cast<const char*>(host.data() + 16), "sixteen letters");
}

TEST(CompileGlsl, ErrorsNameTheKernel) {
  TINYAI_NEEDS_GPU(device);
  const auto code = CompileGlsl("broken one", "#version 450\nvoid main() { x = 1; }\n");
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().key, "GPU_KERNEL");
  EXPECT_NE(code.error().message.find("broken one"), std::string::npos);
}

}  // namespace
}  // namespace tinyai
