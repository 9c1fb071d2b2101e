#include "gpu/compile_glsl.h"
#include "gpu/gpu_device.h"
#include "gpu/self_check.h"

// What there is where Vulkan's headers were missing when this was built: no device.
namespace tinyai {
namespace {

tl::unexpected<Error> NotBuiltIn() {
  return Fail(ErrorCode::kUnsupported, "GPU_MISSING",
              "this program was built without Vulkan (Debian: libvulkan-dev libvulkan-volk-dev "
              "glslang-dev spirv-tools)");
}

}  // namespace

struct VulkanDevice {};

Result<std::vector<GpuInfo>> ListGpus() { return NotBuiltIn(); }
Result<std::vector<uint32_t>> CompileGlsl(std::string_view, std::string_view) {
  return NotBuiltIn();
}
Status CheckGpu(GpuDevice&) { return NotBuiltIn(); }

GpuArena& GpuArena::operator=(GpuArena&&) noexcept { return *this; }
GpuArena::~GpuArena() = default;
GpuTimeline& GpuTimeline::operator=(GpuTimeline&&) noexcept { return *this; }
GpuTimeline::~GpuTimeline() = default;
Result<uint64_t> GpuTimeline::value() const { return NotBuiltIn(); }
Status GpuTimeline::Signal(uint64_t) { return NotBuiltIn(); }
Result<bool> GpuTimeline::WaitFor(uint64_t, std::chrono::nanoseconds) const { return NotBuiltIn(); }
GpuKernel& GpuKernel::operator=(GpuKernel&&) noexcept { return *this; }
GpuKernel::~GpuKernel() = default;
GpuBatch& GpuBatch::operator=(GpuBatch&&) noexcept { return *this; }
GpuBatch::~GpuBatch() = default;
Status GpuBatch::Begin() { return NotBuiltIn(); }
void GpuBatch::Dispatch(const GpuBinding&, std::span<const std::byte>, uint32_t) {}
void GpuBatch::Copy(const GpuRange&, const GpuRange&) {}
void GpuBatch::Barrier() {}
void GpuBatch::AfterHost() {}
void GpuBatch::BeforeHost() {}
Status GpuBatch::End() { return NotBuiltIn(); }

Result<std::unique_ptr<GpuDevice>> GpuDevice::Open(const GpuOptions&) { return NotBuiltIn(); }
const GpuInfo& GpuDevice::info() const {
  static const GpuInfo none;
  return none;
}
uint32_t GpuDevice::queues() const { return 0; }
bool GpuDevice::lost() const { return true; }
void GpuDevice::GiveUp() {}
bool GpuDevice::validated() const { return false; }
std::vector<std::string> GpuDevice::TakeMessages() { return {}; }
Status GpuDevice::WaitIdle() { return NotBuiltIn(); }
Result<GpuArena> GpuDevice::Allocate(Budget&, GpuArena::Kind, uint64_t, std::string_view) {
  return NotBuiltIn();
}
Result<GpuTimeline> GpuDevice::MakeTimeline() { return NotBuiltIn(); }
Result<GpuKernel> GpuDevice::MakeKernel(std::string_view, std::span<const uint32_t>, uint32_t) {
  return NotBuiltIn();
}
Result<GpuBinding> GpuDevice::Bind(const GpuKernel&, std::span<const GpuRange>) {
  return NotBuiltIn();
}
Result<GpuBatch> GpuDevice::MakeBatch() { return NotBuiltIn(); }
Status GpuDevice::Submit(uint32_t, const GpuBatch&, std::span<const GpuPoint>,
                         std::span<const GpuPoint>) {
  return NotBuiltIn();
}

}  // namespace tinyai
