#include "device/gpu_kernels.h"

#include "gpu/compile_glsl.h"

namespace tinyai {

Result<const GpuKernel*> GpuKernels::Find(const std::string& name, const GlslKernel& kernel) {
  if (const auto found = kernels_.find(kernel.text); found != kernels_.end()) {
    return found->second.get();
  }
  TRY_ASSIGN(const std::vector<uint32_t> code, CompileGlsl(name, kernel.text));
  const auto buffers = static_cast<uint32_t>(kernel.slots.size() + 1 + (kernel.traps ? 1 : 0));
  TRY_ASSIGN(GpuKernel made, device_.MakeKernel(name, code, buffers));
  auto& kept = kernels_[kernel.text];
  kept = std::make_unique<GpuKernel>(std::move(made));
  return kept.get();
}

}  // namespace tinyai
