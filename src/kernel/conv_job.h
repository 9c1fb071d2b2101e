#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernel/conv.h"
#include "kernel/conv_pass.h"

namespace tinyai {

// Output channels whose weights stay in the nearest cache: whole tiles of every size.
constexpr uint64_t kBlockRows = 24;
// The most taps whose products are summed in one chain before the sum is added to the output, and
// the most of passes whose outputs lie together: their weights may be transposed, and then stay in
// the nearest cache beside the inputs.
constexpr uint64_t kMostChunk = 288, kMostChunkTogether = 160;
constexpr uint64_t kDecoded = 256;  // elements decoded at a time, whole blocks of every type

// Of convolutions of one input channel per output channel: the most taps, which are one chunk, and
// what is laid out at once, which stays in the nearest cache.
constexpr uint64_t kMostDepthwiseTaps = 128;
constexpr uint64_t kGoodFloats = 8 << 10;

// Pixels whose sums are kept until all taps are through, where a vector holds channels.
constexpr uint64_t kMostBandPixels = 896;

struct ConvWorkspace {
  float* packed;   // a block's inputs
  float* weights;  // kBlockRows x kMostChunk
  float* row;      // kDecoded
  float* tile;     // sums on their way to outputs that do not lie side by side

  static constexpr uint64_t kTileFloats = 8 * 48;
  static constexpr uint64_t kPackedFloats = 112 << 10;
  static constexpr uint64_t kBytes =
      sizeof(float) * (kPackedFloats + kBlockRows * kMostChunk + kDecoded + kTileFloats);

  explicit ConvWorkspace(std::byte* data)
      : packed(reinterpret_cast<float*>(data)),
        weights(packed + kPackedFloats),
        row(weights + kBlockRows * kMostChunk),
        tile(row + kDecoded) {}
};

// One group of output channels of a part, in one pass.
struct ConvJob {
  const ConvShape& shape;
  AxisPass rows, cols;
  InputMap x;  // from the group's first channel on
  WeightRows weights;
  const float* bias;
  float* out;  // the part's first row of the first channel
  uint64_t out_stride;
  uint64_t first_row;  // of the part

  uint64_t Taps() const { return rows.taps * cols.taps; }  // of a channel
  uint64_t Depth() const { return shape.in_channels / shape.groups * Taps(); }
  // Whether every tap is used, so that the weights lie in their order.
  bool UsesAllTaps() const { return rows.taps == shape.rows.size && cols.taps == shape.cols.size; }
  // Whether the outputs of the grid's rows follow each other.
  bool IsTogether() const { return rows.out_step == 1 && cols.out_step == 1; }
  uint64_t MostChunk() const { return IsTogether() ? kMostChunkTogether : kMostChunk; }
};

// Some taps of a pass, in their order: channels outermost, then rows of taps.
struct TapChunk {
  uint64_t first;
  size_t depth;
  bool is_first, is_last;

  // The one that begins with tap `first`: as many whole channels as fit, else a part of one.
  static TapChunk At(const ConvJob& job, uint64_t first) {
    const uint64_t taps = job.Taps(), all = job.Depth(), most = job.MostChunk();
    const uint64_t wanted = taps == 1      ? 128
                            : taps <= most ? most / taps * taps
                                           : std::min(most, taps - first % taps);
    const uint64_t depth = std::min(wanted, all - first);
    return {first, depth, first == 0, first + depth == all};
  }
};

}  // namespace tinyai
