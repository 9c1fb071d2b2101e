#pragma once

#include <cstddef>
#include <span>

#include "device/lower_eval.h"
#include "device/map_stage.h"

namespace tinyai {

// The stages of evals as loops on the CPU. `slots`: where the stage's slots lie. Elements are
// computed and summed up in their order, so results do not depend on how stages were formed.
void MapOnCpu(const Stage& stage, TiledStage& tiles, std::span<const std::byte* const> slots,
              std::byte* out, bool& trapped);
void ReduceOnCpu(const Stage& stage, TiledStage& tiles, std::span<const std::byte* const> slots,
                 std::byte* out, bool& trapped);
void HistogramOnCpu(const Stage& stage, TiledStage& tiles, std::span<const std::byte* const> slots,
                    std::byte* out, bool& trapped);
// Each element is the sum of its products in the order of k, in float for f16, bf16 and f32.
void MatmulOnCpu(const Stage& stage, std::span<const std::byte* const> slots, std::byte* out);
void DecodeOnCpu(const Stage& stage, std::span<const std::byte* const> slots, std::byte* out);

}  // namespace tinyai
