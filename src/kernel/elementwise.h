#pragma once

#include <cstdint>
#include <span>

namespace tinyai {

// sum += x. Equal sizes.
void AddInto(std::span<const float> x, std::span<float> sum);

// out = x * weight / sqrt(mean(x^2) + epsilon); out may be x. Equal sizes.
void RmsNorm(std::span<const float> x, std::span<const float> weight, float epsilon,
             std::span<float> out);

// gate = silu(gate) * up, silu(v) = v / (1 + exp(-v)). Equal sizes.
void SiluMul(std::span<float> gate, std::span<const float> up);

// Rotary embedding in place of one head (RoFormer, Su et al. 2021). `cos_sin` holds cos, sin for
// each of rope_dims / 2 pairs; pairs are (2i, 2i+1) if adjacent, else (i, i + rope_dims / 2).
// Elements from rope_dims on stay.
void Rope(std::span<float> head, std::span<const float> cos_sin, bool adjacent);

// Index of the largest value, the lowest of equals; NaN never wins over a number.
uint32_t ArgMax(std::span<const float> x);
// Whether all values are finite numbers.
bool AllFinite(std::span<const float> x);

}  // namespace tinyai
