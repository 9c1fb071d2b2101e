#include "device/gpu_kernels.h"

#include "fmt/format.h"
#include "gpu/compile_glsl.h"
#include "gpu/spirv_facts.h"

namespace tinyai {
namespace {

// Work groups for a kernel that the user wrote, which is launched as it wants to be.
Result<uint32_t> GroupsOf(const std::string& name, const GlslKernel& kernel, uint32_t buffers,
                          std::span<const uint32_t> code, const GpuInfo& gpu) {
  const SpirvFacts facts = ReadSpirv(code);
  TRY(CheckLaunch(name, facts, buffers, gpu));
  const uint64_t lanes = facts.local_size[0];
  const uint64_t groups = (*kernel.invocations + lanes - 1) / lanes;
  if (groups <= gpu.limits.groups) return static_cast<uint32_t>(groups);
  return Fail(
      ErrorCode::kUnsupported, "GPU_FEATURE",
      fmt::format("kernel {}: {} elements are more than {} starts at once in work groups of "
                  "{}",
                  name, *kernel.invocations, gpu.name, lanes));
}

}  // namespace

Result<const GpuKernels::Made*> GpuKernels::Find(const std::string& name,
                                                 const GlslKernel& kernel) {
  if (const auto found = kernels_.find(kernel.text); found != kernels_.end()) {
    return found->second.get();
  }
  TRY_ASSIGN(const std::vector<uint32_t> code, CompileGlsl(name, kernel.text));
  const auto buffers = static_cast<uint32_t>(kernel.slots.size() + 1 + (kernel.traps ? 1 : 0));
  auto made = std::make_unique<Made>();
  made->groups = kernel.groups;
  if (kernel.invocations) {
    TRY_ASSIGN(made->groups, GroupsOf(name, kernel, buffers, code, device_.info()));
  }
  TRY_ASSIGN(made->kernel, device_.MakeKernel(name, code, buffers));
  return (kernels_[kernel.text] = std::move(made)).get();
}

}  // namespace tinyai
