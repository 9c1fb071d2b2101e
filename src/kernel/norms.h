#pragma once

#include <cstdint>
#include <span>

namespace tinyai {

// RmsNorm is in elementwise.h. In all of these `out` may be x, and `weight` and `bias` may be empty
// (1 and 0). Sums are taken in double.

// out = (x - mean) / sqrt(variance + epsilon) * weight + bias, over one row.
void LayerNorm(std::span<const float> x, std::span<const float> weight, std::span<const float> bias,
               float epsilon, std::span<float> out);

// The same over one group of a map, whole channels of `spatial` elements each; `weight` and `bias`
// have one float per channel of the group. An instance norm's group is one channel.
void GroupNorm(std::span<const float> x, uint64_t spatial, std::span<const float> weight,
               std::span<const float> bias, float epsilon, std::span<float> out);

// What was learned about some channels, one float of each per channel.
struct ChannelStatistics {
  std::span<const float> mean;
  std::span<const float> variance;
  std::span<const float> weight;  // or empty
  std::span<const float> bias;    // or empty
};

// out = (x - mean) / sqrt(variance + epsilon) * weight + bias, channel by channel, each of
// `spatial` elements.
void BatchNorm(std::span<const float> x, uint64_t spatial, const ChannelStatistics& statistics,
               float epsilon, std::span<float> out);

}  // namespace tinyai
