#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "gpu/gpu_info.h"

// A Vulkan device with what a plan needs of it: one arena for each memory, kernels bound to places
// in arenas, timelines, and batches of commands for its queues. Nothing here decides anything, and
// nothing here includes Vulkan's headers; without them at build time every Open fails with
// GPU_MISSING.
namespace tinyai {

struct VulkanDevice;

// Memory of one kind, allocated once, that commands address by offset.
class GpuArena {
 public:
  enum class Kind : uint8_t {
    kDevice,  // the device's own, mapped where that costs nothing
    kHost,    // seen by both
  };
  GpuArena() = default;
  GpuArena(GpuArena&& other) noexcept { *this = std::move(other); }
  GpuArena& operator=(GpuArena&& other) noexcept;
  ~GpuArena();

  uint64_t size() const { return size_; }
  // Where the host sees it; null if it does not.
  std::byte* data() const { return data_; }

 private:
  friend class GpuDevice;
  friend class GpuBatch;
  std::shared_ptr<VulkanDevice> device_;
  uint64_t buffer_ = 0, memory_ = 0;  // VkBuffer, VkDeviceMemory
  uint64_t size_ = 0;
  std::byte* data_ = nullptr;
  Charge charge_;
};

// A number that only grows, which host and device both wait for and advance.
class GpuTimeline {
 public:
  GpuTimeline() = default;
  GpuTimeline(GpuTimeline&& other) noexcept { *this = std::move(other); }
  GpuTimeline& operator=(GpuTimeline&& other) noexcept;
  ~GpuTimeline();

  Result<uint64_t> value() const;
  // Advances it from the host.
  Status Signal(uint64_t value);
  // True once `value` is reached, false after `timeout`. Error DEVICE_LOST.
  Result<bool> WaitFor(uint64_t value, std::chrono::nanoseconds timeout) const;

 private:
  friend class GpuDevice;
  friend class GpuBatch;
  std::shared_ptr<VulkanDevice> device_;
  uint64_t semaphore_ = 0;  // VkSemaphore
};

// A compiled kernel: a number of storage buffers at bindings 0, 1, .. of set 0, and at most
// kPushBytes of push constants.
class GpuKernel {
 public:
  static constexpr uint32_t kPushBytes = 64;
  GpuKernel() = default;
  GpuKernel(GpuKernel&& other) noexcept { *this = std::move(other); }
  GpuKernel& operator=(GpuKernel&& other) noexcept;
  ~GpuKernel();

 private:
  friend class GpuDevice;
  friend class GpuBatch;
  std::shared_ptr<VulkanDevice> device_;
  uint64_t pipeline_ = 0, layout_ = 0, set_layout_ = 0;
  uint32_t buffers_ = 0;
};

struct GpuRange {
  const GpuArena* arena = nullptr;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

// A kernel with its buffers: made once, used in any number of batches. Kernel and arenas outlive
// it.
struct GpuBinding {
  const GpuKernel* kernel = nullptr;
  uint64_t set = 0;  // VkDescriptorSet
};

// Commands that are given to a queue together, carried out in order only where a barrier says so.
class GpuBatch {
 public:
  GpuBatch() = default;
  GpuBatch(GpuBatch&& other) noexcept { *this = std::move(other); }
  GpuBatch& operator=(GpuBatch&& other) noexcept;
  ~GpuBatch();

  // Starts again from nothing. The queue has finished what it was given.
  Status Begin();
  void Dispatch(const GpuBinding& binding, std::span<const std::byte> push, uint32_t groups);
  void Copy(const GpuRange& from, const GpuRange& to);
  // All commands above have ended, and what they wrote is visible, before any below starts.
  void Barrier();
  // What the host wrote before it signalled what this batch waits for is visible below.
  void AfterHost();
  // What was written above is visible to a host that waits for what this batch signals.
  void BeforeHost();
  Status End();

 private:
  friend class GpuDevice;
  std::shared_ptr<VulkanDevice> device_;
  uint64_t pool_ = 0;         // VkCommandPool
  void* commands_ = nullptr;  // VkCommandBuffer
};

struct GpuPoint {
  const GpuTimeline* timeline = nullptr;
  uint64_t value = 0;
};

struct GpuOptions {
  std::string wish;       // as for ChooseGpu
  bool validate = false;  // with the validation layer, if it is installed; for tests
};

// Thread-safe but for what each function says.
class GpuDevice {
 public:
  // Errors: those of ListGpus and ChooseGpu, GPU_MISSING if the device cannot be opened.
  static Result<std::unique_ptr<GpuDevice>> Open(const GpuOptions& options);

  const GpuInfo& info() const;
  uint32_t queues() const;
  // A submit or wait has failed for good: nothing will work any more.
  bool lost() const;
  // It did not do what it was given: from here on it counts as lost.
  void GiveUp();

  // Errors BUDGET_EXCEEDED, GPU_MEMORY (the driver has no more, or not in one piece).
  Result<GpuArena> Allocate(Budget& budget, GpuArena::Kind kind, uint64_t bytes,
                            std::string_view what);
  Result<GpuTimeline> MakeTimeline();
  // `code`: SPIR-V with entry point main. Error GPU_KERNEL naming `name`.
  Result<GpuKernel> MakeKernel(std::string_view name, std::span<const uint32_t> code,
                               uint32_t buffers);
  // As many ranges as the kernel has buffers. Ranges begin where limits.offset_alignment says and
  // are not empty. Errors GPU_MEMORY, GPU_KERNEL.
  Result<GpuBinding> Bind(const GpuKernel& kernel, std::span<const GpuRange> ranges);
  Result<GpuBatch> MakeBatch();
  // `queue` < queues(). The queue starts the batch when all of `waits` are reached and advances
  // `signals` when it has ended. Errors DEVICE_LOST, GPU_MEMORY.
  Status Submit(uint32_t queue, const GpuBatch& batch, std::span<const GpuPoint> waits,
                std::span<const GpuPoint> signals);
  // Until nothing is running. Error DEVICE_LOST.
  Status WaitIdle();

  // What the validation layer said so far; empty without it.
  std::vector<std::string> TakeMessages();
  bool validated() const;

  // For tests that put other functions in the driver's place.
  VulkanDevice& vulkan() { return *device_; }

 private:
  explicit GpuDevice(std::shared_ptr<VulkanDevice> device) : device_(std::move(device)) {}
  std::shared_ptr<VulkanDevice> device_;
};

}  // namespace tinyai
