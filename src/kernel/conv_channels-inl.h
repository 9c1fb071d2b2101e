// Convolutions with few outputs in a channel: a vector holds one pixel of as many output channels,
// so that a small map leaves no lane idle. For that, weights are transposed on their way.

#if defined(TINYAI_KERNEL_CONV_CHANNELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_CONV_CHANNELS_INL_H_
#undef TINYAI_KERNEL_CONV_CHANNELS_INL_H_
#else
#define TINYAI_KERNEL_CONV_CHANNELS_INL_H_
#endif

#include <utility>

#include "base/checked.h"
#include "kernel/conv_planes-inl.h"
#include "kernel/conv_weights-inl.h"
#include "kernel/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// Vectors of output channels side by side, and neighbouring pixels whose sums fit in registers
// beside them.
constexpr size_t kPanelVectors = 2;
constexpr size_t kPanelChannels = kPanelVectors * kLanes;
constexpr size_t kMostNeighbours = kFewRegisters ? 6 : 14;
// The end of the inputs' workspace holds a chunk's transposed weights and the sums of a band.
constexpr uint64_t kPanelFloats = kPanelChannels * kMostChunk;
constexpr uint64_t kBandFloats = (kMostBandPixels + kLanes) * kPanelChannels;
constexpr uint64_t kBandInputs =
    ConvWorkspace::kPackedFloats - kPanelFloats - kBandFloats - kConvSlack;
static_assert(kLanes <= kBlockRows);

// Rows of weights that are wanted next, asked for line by line while others are multiplied: they
// come in short runs, which hardware prefetchers do not follow.
class NextRows {
 public:
  NextRows(TileRows rows, size_t count, size_t depth)
      : at_(rows.data),
        end_(rows.data + depth),
        stride_(rows.stride),
        depth_(depth),
        left_(count) {}

  HWY_INLINE void Prefetch() {
    if (left_ == 0) return;
    __builtin_prefetch(at_);
    at_ += 64 / sizeof(float);
    if (at_ < end_) return;
    --left_;
    end_ += stride_;
    at_ = end_ - depth_;
  }

 private:
  const float *at_, *end_;
  size_t stride_, depth_, left_;
};

// A chunk's weights, `vectors` vectors of channels for every tap.
struct ChannelPanel {
  const float* data;
  size_t vectors, depth;
};

// sums[p] += the sum over k of the panel's weights k times x[offset[k] + p], for p < kPixels.
template <size_t kVectors, size_t kPixels>
HWY_NOINLINE void ChannelTile(const ChannelPanel& panel, const float* x, const uint32_t* offset,
                              NextRows& next_rows, float* sums) {
  const F32Tag d;
  NextRows next = next_rows;
  VF32 run[kPixels][kVectors];
#pragma GCC unroll 16
  for (size_t p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
    for (size_t v = 0; v < kVectors; ++v) run[p][v] = hn::Zero(d);
  }
  const float* weights = panel.data;
  const auto step = [&](size_t k) HWY_ATTR {
    const float* from = x + offset[k];
    VF32 factor[kVectors];
#pragma GCC unroll 2
    for (size_t v = 0; v < kVectors; ++v) {
      factor[v] = hn::Load(d, weights + v * kLanes);
      KeepInRegister(factor[v]);
    }
    weights += kVectors * kLanes;
#pragma GCC unroll 16
    for (size_t p = 0; p < kPixels; ++p) {
      VF32 input = hn::Set(d, from[p]);
      KeepInRegister(input);
#pragma GCC unroll 2
      for (size_t v = 0; v < kVectors; ++v) run[p][v] = hn::MulAdd(factor[v], input, run[p][v]);
    }
  };
  size_t k = 0;
  for (; k + 4 <= panel.depth; k += 4) {
    next.Prefetch();  // eight tiles ask for all
    next.Prefetch();
    for (size_t i = 0; i < 4; ++i) step(k + i);
  }
  for (; k < panel.depth; ++k) step(k);
  next_rows = next;
#pragma GCC unroll 16
  for (size_t p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
    for (size_t v = 0; v < kVectors; ++v) {
      float* sum = sums + (p * kVectors + v) * kLanes;
      hn::Store(hn::Add(hn::Load(d, sum), run[p][v]), d, sum);
    }
  }
}

using ChannelTileFunction = void (*)(const ChannelPanel&, const float*, const uint32_t*, NextRows&,
                                     float*);

// The function for `pixels` <= sizeof...(kLess), which is kMostNeighbours.
template <size_t... kLess>
ChannelTileFunction ChannelTileFor(size_t vectors, size_t pixels, std::index_sequence<kLess...>) {
  static constexpr ChannelTileFunction kOne[] = {ChannelTile<1, kLess + 1>...};
  static constexpr ChannelTileFunction kAll[] = {ChannelTile<kPanelVectors, kLess + 1>...};
  return (vectors == 1 ? kOne : kAll)[pixels - 1];
}

// Rows of pixels, `apart` floats from one to the next in the input.
struct Band {
  uint64_t rows, cols, apart;

  uint64_t Pixels() const { return rows * cols; }
};

// Inputs of taps without padding, read where they lie.
struct PlainInputs {
  const float* x;
  uint64_t stride;

  // From a pixel's place in the chunk's first channel to its taps.
  void FindOffsets(const TapChunk& chunk, uint32_t* offset) const {
    for (size_t k = 0; k < chunk.depth; ++k) offset[k] = static_cast<uint32_t>(k * stride);
  }
  // Channels [first, end), those of a chunk, from the band's first pixel on.
  const float* Channels(uint64_t first, uint64_t) const { return x + first * stride; }
};

// Inputs in planes, of as many channels at once as fit.
class PlaneInputs {
 public:
  PlaneInputs(const ConvGrid& grid, const ConvPlanes& planes, const PlaneRows& part,
              uint64_t channels, float* packed)
      : grid_(grid),
        planes_(planes),
        part_(part),
        channels_(channels),
        stride_(planes.Planes() * planes.PlaneFloats(part.rows)),
        packed_(packed) {}

  uint64_t AtOnce() const { return kBandInputs / stride_; }

  void FindOffsets(const TapChunk& chunk, uint32_t* offset) const {
    OffsetsOfTaps(grid_, planes_, part_.rows, chunk.first, chunk.depth, offset);
  }
  const float* Channels(uint64_t first, uint64_t end) {
    if (first < first_ || end > end_) {
      first_ = first;
      end_ = std::min(first + AtOnce(), channels_);
      FillAllPlanes(grid_, planes_, part_, first_, end_, packed_);
    }
    return packed_ + (first - first_) * stride_;
  }

 private:
  const ConvGrid& grid_;
  const ConvPlanes& planes_;
  const PlaneRows part_;
  const uint64_t channels_, stride_;
  float* const packed_;
  uint64_t first_ = 0, end_ = 0;  // channels laid out
};

void MultiplyBand(const ChannelPanel& panel, const Band& band, const float* x,
                  const uint32_t* offset, NextRows next, float* sums) {
  const uint64_t tiles = CeilDiv(band.cols, kMostNeighbours);
  for (uint64_t row = 0; row < band.rows; ++row, x += band.apart) {
    for (uint64_t tile = 0; tile < tiles; ++tile) {
      const uint64_t begin = band.cols * tile / tiles;
      const size_t some = band.cols * (tile + 1) / tiles - begin;
      ChannelTileFor(panel.vectors, some, std::make_index_sequence<kMostNeighbours>())(
          panel, x + begin, offset, next, sums);
      sums += some * panel.vectors * kLanes;
    }
  }
}

// The rows behind the `count` < kLanes there are, as zeros.
inline TileRows FillRows(TileRows from, size_t count, size_t depth,
                         const ConvWorkspace& workspace) {
  for (size_t r = 0; r < kLanes; ++r) {
    float* copy = workspace.weights + r * kMostChunk;
    if (r >= count) {
      std::fill_n(copy, depth, 0.0f);
    } else if (from.data != workspace.weights) {
      std::copy_n(from.data + r * from.stride, depth, copy);
    }
  }
  return {workspace.weights, kMostChunk};
}

// kLanes rows of weights to one vector for every tap, `stride` floats apart.
inline void Transpose(TileRows rows, size_t depth, size_t stride, float* to) {
  const F32Tag d;
  size_t k = 0;
  for (; k + 4 <= depth; k += 4, to += 4 * stride) {
    const Chunk four =
        LoadChunk(reinterpret_cast<const uint8_t*>(rows.data + k), rows.stride * sizeof(float));
    hn::Store(hn::BitCast(d, four.v0), d, to);
    hn::Store(hn::BitCast(d, four.v1), d, to + stride);
    hn::Store(hn::BitCast(d, four.v2), d, to + 2 * stride);
    hn::Store(hn::BitCast(d, four.v3), d, to + 3 * stride);
  }
  for (; k < depth; ++k, to += stride) {
    for (size_t r = 0; r < kLanes; ++r) to[r] = rows.data[r * rows.stride + k];
  }
}

// Channels [row, row + rows) of a chunk, to the workspace.
ChannelPanel TransposeChunk(const ConvJob& job, const TapChunk& chunk, uint64_t row, size_t rows,
                            const ConvWorkspace& workspace) {
  const ChunkWeights weights(job, chunk);
  float* const panel = workspace.packed + kBandInputs + kConvSlack;
  const size_t vectors = CeilDiv(rows, kLanes);
  for (size_t v = 0; v < vectors; ++v) {
    const size_t some = std::min(kLanes, rows - v * kLanes);
    TileRows from = weights.Rows(row + v * kLanes, some, workspace);
    if (some < kLanes) from = FillRows(from, some, chunk.depth, workspace);
    Transpose(from, chunk.depth, vectors * kLanes, panel + v * kLanes);
  }
  return {panel, vectors, chunk.depth};
}

// What TransposeChunk reads after channels [row, row + rows) of a chunk: of them the next chunk, or
// the first one of those behind them.
inline NextRows RowsAfter(const ConvJob& job, const TapChunk& chunk, uint64_t row, size_t rows) {
  const float* at = FloatsOf(job.weights, row);
  if (at == nullptr) return {{nullptr, 0}, 0, 0};  // decoded ones are not asked for
  if (!chunk.is_last) at += chunk.first + chunk.depth;
  if (chunk.is_last && row + rows < job.weights.rows) at += rows * job.weights.cols;
  return {{at, job.weights.cols}, rows, chunk.depth};
}

// Writes the sums of `channels` channels, plus their biases, to where these lie.
void WriteChannels(const float* sums, size_t vectors, size_t channels, uint64_t pixels,
                   const float* bias, const OutputMap& out) {
  const F32Tag d;
  const size_t stride = vectors * kLanes;
  for (uint64_t p = 0; p < pixels; p += kLanes) {
    const size_t some = std::min<uint64_t>(kLanes, pixels - p);
    const auto write = [&](size_t channel, VU32 sum) HWY_ATTR {
      if (channel >= channels) return;
      const VF32 last = hn::Set(d, bias == nullptr ? 0.0f : bias[channel]);
      StoreFirst(hn::Add(hn::BitCast(d, sum), last), some,
                 out.data + channel * out.channel_stride + p);
    };
    for (size_t channel = 0; channel < channels; channel += 4) {
      const Chunk four = LoadChunk(reinterpret_cast<const uint8_t*>(sums + p * stride + channel),
                                   stride * sizeof(float));
      write(channel, four.v0);
      write(channel + 1, four.v1);
      write(channel + 2, four.v2);
      write(channel + 3, four.v3);
    }
  }
}

// All output channels of a band.
template <class Inputs>
void ConvBand(const ConvJob& job, const Band& band, Inputs inputs, float* out,
              const ConvWorkspace& workspace) {
  float* const sums = workspace.packed + kBandInputs + kConvSlack + kPanelFloats;
  const uint64_t taps = job.Taps();
  uint32_t offset[kMostChunk];  // of every chunk, unless these are parts of channels
  for (uint64_t row = 0; row < job.weights.rows; row += kPanelChannels) {
    const size_t rows = std::min<uint64_t>(kPanelChannels, job.weights.rows - row);
    const size_t vectors = CeilDiv(rows, kLanes);
    std::fill_n(sums, band.Pixels() * vectors * kLanes, 0.0f);
    for (uint64_t first = 0; first < job.Depth();) {
      const TapChunk chunk = TapChunk::At(job, first);
      if (taps > job.MostChunk() || (row == 0 && first == 0)) inputs.FindOffsets(chunk, offset);
      const float* x = inputs.Channels(first / taps, CeilDiv(first + chunk.depth, taps));
      const ChannelPanel panel = TransposeChunk(job, chunk, row, rows, workspace);
      MultiplyBand(panel, band, x, offset, RowsAfter(job, chunk, row, rows), sums);
      first += chunk.depth;
    }
    WriteChannels(sums, vectors, rows, band.Pixels(),
                  job.bias == nullptr ? nullptr : job.bias + row,
                  {out + row * job.out_stride, job.out_stride});
  }
}

// Whether vectors of channels take less time than vectors of `places` pixels for every output
// channel, if so many inputs are `laid_out` again for that. In multiply-adds of a vector, laying
// out an input takes a third of one, transposing a weight half of one, and writing a vector of sums
// six, or two of pixels.
inline bool ChannelsAreFaster(const ConvJob& job, uint64_t pixels, uint64_t places,
                              uint64_t laid_out) {
  const uint64_t rows = job.weights.rows, depth = job.Depth();
  const uint64_t products = CeilDiv(rows, kLanes) * pixels * (depth + 6);
  return products + rows * depth / 2 + laid_out / 3 < rows * CeilDiv(places, kLanes) * (depth + 2);
}

// A pass whose input is read where it lies; false if that does not do or is not faster.
inline bool ConvChannelsInPlace(const ConvJob& job, const ConvGrid& grid,
                                const ConvWorkspace& workspace) {
  const ConvGrid flat = Flattened(grid);
  const uint64_t pixels = flat.cols.grid, stride = flat.x.channel_stride;
  const bool is_row = job.Taps() == 1 && flat.rows.grid == 1 && flat.rows.first_in == 0 &&
                      flat.x.first_row == 0 && flat.cols.in_step == 1 && flat.cols.first_in == 0 &&
                      static_cast<int64_t>(pixels) <= flat.cols.in;
  if (!is_row || pixels > kMostBandPixels || stride >= 1 << 24) return false;
  if (!ChannelsAreFaster(job, pixels, pixels, 0)) return false;
  ConvBand(job, {1, pixels, 0}, PlainInputs{flat.x.data, stride}, job.out, workspace);
  return true;
}

// Rows of the grid in a band: sums of its pixels and inputs of a chunk of taps fit; 0 if none do.
inline uint64_t RowsOfBand(const ConvJob& job, const ConvPlanes& planes) {
  const uint64_t channels = CeilDiv(TapChunk::At(job, 0).depth, job.Taps());
  const uint64_t most =
      std::min(planes.MostRows(kBandInputs / channels), kMostBandPixels / job.cols.grid);
  return most == 0 ? 0 : CeilDiv(job.rows.grid, CeilDiv(job.rows.grid, most));
}

// A pass whose input is laid out in planes; false if that does not do or is not faster.
inline bool ConvChannelsInPlanes(const ConvJob& job, const ConvGrid& grid,
                                 const ConvWorkspace& workspace) {
  const ConvPlanes planes(job.rows, job.cols);
  const uint64_t step = RowsOfBand(job, planes), cols = job.cols.grid;
  if (step == 0) return false;
  const uint64_t channels = job.shape.in_channels / job.shape.groups;
  const auto inputs = [&](uint64_t row) {
    return PlaneInputs(grid, planes, {row, std::min(step, job.rows.grid - row)}, channels,
                       workspace.packed);
  };
  const uint64_t width = job.Taps() == 1 ? cols : planes.width;
  const uint64_t floats = channels * planes.Planes() * planes.PlaneFloats(step);
  const uint64_t again =
      inputs(0).AtOnce() < channels ? CeilDiv(job.weights.rows, kPanelChannels) - 1 : 0;
  if (!ChannelsAreFaster(job, step * cols, (step - 1) * width + cols, again * floats)) return false;
  for (uint64_t row = 0; row < job.rows.grid; row += step) {
    const uint64_t some = std::min(step, job.rows.grid - row);
    ConvBand(job, {some, cols, planes.width}, inputs(row), job.out + row * cols, workspace);
  }
  return true;
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_CONV_CHANNELS_INL_H_
