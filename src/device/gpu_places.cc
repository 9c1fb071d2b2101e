#include "device/gpu_places.h"

namespace tinyai {

Result<std::unique_ptr<GpuPlaces>> GpuPlaces::Make(RunState&, Budget&) {
  return Fail(ErrorCode::kUnsupported, "GPU_FEATURE", "not yet");
}

void RunOnGpu(RunState& state, GpuPlaces& gpu) {
  if (Status status = gpu.Run(); !status) state.Fail(std::move(status).error());
}

}  // namespace tinyai
