#include <tinyai/utils/simd_ops.h>

#include "capi/guard.h"
#include "capi/handles.h"
#include "engine/simd.h"

using namespace tinyai;
using namespace tinyai::capi;

TinyAISIMDCapabilities tinyaiGetSIMDCapabilities(void) {
  return Guard<TinyAISIMDCapabilities>({}, [&]() -> Result<TinyAISIMDCapabilities> {
    const SimdCapabilities simd = ProbeSimd();
    return TinyAISIMDCapabilities{.sse2 = simd.sse2,
                                  .ssse3 = simd.ssse3,
                                  .sse41 = simd.sse41,
                                  .sse42 = simd.sse42,
                                  .avx = simd.avx,
                                  .avx2 = simd.avx2,
                                  .fma = simd.fma,
                                  .f16c = simd.f16c,
                                  .avx512 = simd.avx512,
                                  .avx512bw = simd.avx512bw,
                                  .avx512vnni = simd.avx512vnni,
                                  .avx512bf16 = simd.avx512bf16,
                                  .amx_int8 = simd.amx_int8,
                                  .neon = simd.neon,
                                  .dotprod = simd.dotprod,
                                  .sve = simd.sve,
                                  .vector_bits = simd.vector_bits,
                                  .max_level = simd.max_level};
  });
}

bool tinyaiEnableSIMD(TinyAIModel* model, TinyAISIMDOpType op_type, bool enable) {
  return GuardStatus([&]() -> Status {
    if (model == nullptr) return NullArgument("model");
    if (static_cast<unsigned>(op_type) > TINYAI_SIMD_OP_ATTENTION) {
      return BadValue(fmt::format("{} is no type of operation", static_cast<int>(op_type)));
    }
    return model->objects->mapped().simd().Enable(static_cast<SimdOp>(op_type), enable);
  });
}

void tinyaiSetSIMDOptimizationLevel(TinyAIModel* model, int level) {
  GuardStatus([&]() -> Status {
    if (model == nullptr) return NullArgument("model");
    model->objects->mapped().simd().SetLevel(level);
    return {};
  });
}

int tinyaiGetSIMDOptimizationLevel(const TinyAIModel* model) {
  return Guard<int>(-1, [&]() -> Result<int> {
    if (model == nullptr) return NullArgument("model");
    return model->objects->mapped().simd().level();
  });
}
