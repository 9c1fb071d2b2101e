#include "kernel/conv.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernel/conv_pass.h"
#include "kernel/depthwise_planes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/conv.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/conv_depthwise-inl.h"
#include "kernel/conv_pack-inl.h"
#include "kernel/conv_tile-inl.h"

// A block of pixels at a time, and of these a chunk of taps at a time: the inputs are packed into
// panels in the workspace, and every tile of output channels times pixels gets the chunk's
// products. Each output is the sum over chunks of 128 taps, in their order (input channels
// outermost), of one chain of multiply-adds from zero on; then the bias.

#ifndef TINYAI_KERNEL_CONV_ONCE
#define TINYAI_KERNEL_CONV_ONCE
namespace tinyai {

constexpr uint64_t kBlockRows = 32;  // output channels whose weights stay in the nearest cache
constexpr uint64_t kMostChunk = 128;
constexpr uint64_t kDecoded = 256;  // elements decoded at a time, whole blocks of every type

struct ConvWorkspace {
  float* packed;   // a block's inputs
  float* weights;  // kBlockRows x kMostChunk
  float* row;      // kDecoded
  float* tile;     // sums on their way to outputs that do not lie side by side

  static constexpr uint64_t kTileFloats = 8 * 48;
  static constexpr uint64_t kPackedFloats = kMostChunk * 768;
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

  uint64_t Depth() const { return shape.in_channels / shape.groups * rows.taps * cols.taps; }
};

}  // namespace tinyai
#endif

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {
namespace {

static_assert(DepthwisePlanes::kMostFloats <= ConvWorkspace::kPackedFloats);
static_assert(kMostDepthwiseTaps <= kDecoded);
static_assert(kConvChunk == kMostChunk && kPackedFloats <= ConvWorkspace::kPackedFloats);
static_assert(kTileRows * kTileVectors * kLanes <= ConvWorkspace::kTileFloats);

// Rows of weights as tiles read them.
struct TileRows {
  const float* data;
  size_t stride;
};

// Whether the pass uses every tap, so that its weights lie in their order.
bool UsesAllTaps(const ConvJob& job) {
  return job.rows.taps == job.shape.rows.size && job.cols.taps == job.shape.cols.size;
}

// The taps of a pass in their order, each as the column of the weights that it has.
class TapWalk {
 public:
  TapWalk(const ConvJob& job, uint64_t first)
      : job_(job),
        kx_(first % job.cols.taps),
        ky_(first / job.cols.taps % job.rows.taps),
        channel_(first / job.cols.taps / job.rows.taps) {}

  uint64_t Column() const {
    const uint64_t ky = job_.rows.first_tap + ky_ * job_.rows.tap_step;
    return (channel_ * job_.shape.rows.size + ky) * job_.shape.cols.size + job_.cols.first_tap +
           kx_ * job_.cols.tap_step;
  }
  void Next() {
    if (++kx_ < job_.cols.taps) return;
    kx_ = 0;
    if (++ky_ < job_.rows.taps) return;
    ky_ = 0;
    ++channel_;
  }

 private:
  const ConvJob& job_;
  uint64_t kx_, ky_, channel_;
};

// Weights of one row for the taps [first, first + depth), decoded run by run.
void DecodeTaps(const ConvJob& job, uint64_t row, uint64_t first, size_t depth, float* decoded,
                float* to) {
  uint64_t begin = 0, end = 0;  // columns that `decoded` holds
  TapWalk walk(job, first);
  for (size_t k = 0; k < depth; ++k, walk.Next()) {
    const uint64_t column = walk.Column();
    if (column < begin || column >= end) {
      begin = column / kDecoded * kDecoded;
      end = std::min(begin + kDecoded, job.weights.cols);
      DecodeColumns(job.weights, row, begin, {decoded, end - begin});
    }
    to[k] = decoded[column - begin];
  }
}

// The same of a row of floats.
void GatherTaps(const ConvJob& job, const float* row, uint64_t first, size_t depth, float* to) {
  TapWalk walk(job, first);
  for (size_t k = 0; k < depth; ++k, walk.Next()) to[k] = row[walk.Column()];
}

// Whether tiles can read the weights where they are.
bool IsFloats(const ConvJob& job) {
  return job.weights.type == DType::kF32 && job.weights.sparse_row_bytes == 0 &&
         reinterpret_cast<uintptr_t>(job.weights.data) % sizeof(float) == 0;
}
bool IsInPlace(const ConvJob& job) { return IsFloats(job) && UsesAllTaps(job); }

TileRows WeightsOf(const ConvJob& job, uint64_t row, size_t rows, uint64_t first, size_t depth,
                   const ConvWorkspace& workspace) {
  const std::byte* data = job.weights.data + row * job.weights.row_bytes();
  const auto* floats = reinterpret_cast<const float*>(data);
  if (IsInPlace(job)) return {floats + first, job.weights.cols};
  for (size_t r = 0; r < rows; ++r) {
    float* to = workspace.weights + r * kMostChunk;
    if (IsFloats(job)) {
      GatherTaps(job, floats + r * job.weights.cols, first, depth, to);
    } else {
      DecodeTaps(job, row + r, first, depth, workspace.row, to);
    }
  }
  return {workspace.weights, kMostChunk};
}

// Moves rows of a tile, `width` floats apart, to outputs that lie apart.
void ScatterTile(const ConvJob& job, uint64_t pixel, size_t rows, size_t count, size_t width,
                 const float* tile, const TileEnd& end, float* out) {
  const uint64_t step = job.cols.out_step;
  uint64_t row = pixel / job.cols.grid, col = pixel % job.cols.grid;
  for (size_t done = 0; done < count; ++row, col = 0) {
    const size_t some = std::min<uint64_t>(count - done, job.cols.grid - col);
    const uint64_t y = job.rows.first_out + row * job.rows.out_step - job.first_row;
    float* line = out + y * job.shape.cols.out + job.cols.first_out + col * step;
    for (size_t m = 0; m < rows; ++m, line += job.out_stride) {
      const float* from = tile + m * width + done;
      const float bias = end.bias == nullptr ? 0.0f : end.bias[m];
      if (end.add) {
        for (size_t i = 0; i < some; ++i) line[i * step] = line[i * step] + from[i] + bias;
      } else {
        for (size_t i = 0; i < some; ++i) line[i * step] = from[i] + bias;
      }
    }
    done += some;
  }
}

struct Chunk {
  uint64_t first;
  size_t depth;
  bool is_first, is_last;
};

// Asks for the weights of the next tile. They come in short runs, one per row, which hardware
// prefetchers do not follow.
void PrefetchRows(const TileRows& weights, size_t first, size_t end, size_t depth) {
  for (size_t r = first; r < end; ++r) {
    for (size_t k = 0; k < depth; k += 16) {
      __builtin_prefetch(weights.data + r * weights.stride + k);
    }
  }
}

// One panel times rows [row, row + rows) of weights.
void MultiplyPanel(const ConvJob& job, const Panel& panel, uint64_t block_pixel,
                   const float* packed, const TileRows& weights, uint64_t row, size_t rows,
                   const Chunk& chunk, const ConvWorkspace& workspace) {
  const bool together = job.rows.out_step == 1 && job.cols.out_step == 1;
  for (size_t r = 0; r < rows;) {
    size_t some = rows - r;
    const ConvTileFunction tile = ConvTileFor(panel.vectors, some);
    const float* bias = job.bias == nullptr || !chunk.is_last ? nullptr : job.bias + row + r;
    const TileEnd end = {!chunk.is_first, bias};
    const float* a = weights.data + r * weights.stride;
    if (panel.pixel == 0) {
      PrefetchRows(weights, r + some, std::min(r + 2 * some, rows), chunk.depth);
    }
    float* out = job.out + (row + r) * job.out_stride;
    if (together) {
      tile(a, weights.stride, packed, chunk.depth, panel.count, end,
           out + block_pixel + panel.pixel, job.out_stride);
    } else {
      const size_t width = panel.Width();
      tile(a, weights.stride, packed, chunk.depth, width, {false, nullptr}, workspace.tile, width);
      ScatterTile(job, block_pixel + panel.pixel, some, panel.count, width, workspace.tile, end,
                  out);
    }
    r += some;
  }
}

void ComputeChunk(const ConvJob& job, const ConvGrid& grid, uint64_t block_pixel, size_t pixels,
                  const Chunk& chunk, const ConvWorkspace& workspace) {
  const Panels panels(pixels);
  PackBlock(grid, chunk.first, chunk.depth, panels, block_pixel, workspace.packed);
  for (uint64_t row = 0; row < job.weights.rows; row += kBlockRows) {
    const size_t rows = std::min(kBlockRows, job.weights.rows - row);
    const TileRows weights = WeightsOf(job, row, rows, chunk.first, chunk.depth, workspace);
    for (const Panel& panel : panels) {
      MultiplyPanel(job, panel, block_pixel, workspace.packed + panel.offset, weights, row, rows,
                    chunk, workspace);
    }
  }
}

// A pass that reads nothing.
void WriteBias(const ConvJob& job, uint64_t pixels) {
  const float zero = 0;
  for (uint64_t r = 0; r < job.weights.rows; ++r) {
    const TileEnd end = {false, job.bias == nullptr ? nullptr : job.bias + r};
    for (uint64_t i = 0; i < pixels; ++i) {
      ScatterTile(job, i, 1, 1, 1, &zero, end, job.out + r * job.out_stride);
    }
  }
}

}  // namespace

void ConvPassSimd(const ConvJob& job, const ConvWorkspace& workspace) {
  const ConvGrid grid = Flattened({job.rows, job.cols, job.x});
  const uint64_t pixels = grid.Pixels(), depth = job.Depth();
  if (depth == 0) return WriteBias(job, pixels);
  for (uint64_t pixel = 0; pixel < pixels; pixel += kBlockPixels) {
    const size_t some = std::min<uint64_t>(kBlockPixels, pixels - pixel);
    for (uint64_t first = 0; first < depth; first += kMostChunk) {
      const size_t count = std::min(kMostChunk, depth - first);
      ComputeChunk(job, grid, pixel, some, {first, count, first == 0, first + count == depth},
                   workspace);
    }
  }
}

// A part whose output channels have one input channel each. Some channels are laid out, then
// summed: loads of what was just stored otherwise would have to wait for it.
void ConvDepthwiseSimd(const ConvShape& shape, const InputMap& x, const WeightRows& weights,
                       const float* bias, const MapPart& part, const ConvWorkspace& workspace,
                       const OutputMap& out) {
  const uint64_t step = DepthwisePlanes::RowsAtOnce(shape);
  for (uint64_t row = part.rows.first; row < part.rows.end; row += step) {
    const DepthwiseBlock block(shape, row, std::min(step, part.rows.end - row));
    const uint64_t floats = block.planes.Floats(shape);
    const uint64_t at_once = std::max<uint64_t>(DepthwisePlanes::kGoodFloats / floats, 1);
    for (uint64_t first = 0; first < part.channels.size(); first += at_once) {
      const uint64_t end = std::min(first + at_once, part.channels.size());
      for (uint64_t o = first; o < end; ++o) {
        const uint64_t channel = (part.channels.first + o) / (shape.out_channels / shape.groups);
        FillChannel(block, x, x.data + channel * x.channel_stride,
                    workspace.packed + (o - first) * floats);
      }
      for (uint64_t o = first; o < end; ++o) {
        DecodeColumns(weights, o, 0, {workspace.row, weights.cols});
        SumChannel(block, workspace.packed + (o - first) * floats, workspace.row,
                   bias == nullptr ? 0.0f : bias[o],
                   out.data + o * out.channel_stride + (row - part.rows.first) * shape.cols.out);
      }
    }
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tinyai {

HWY_EXPORT(ConvPassSimd);
HWY_EXPORT(ConvDepthwiseSimd);

IndexRange ConvRowsRead(const ConvShape& shape, IndexRange out_rows) {
  const WindowAxis& axis = shape.rows;
  if (!shape.transposed) return RowsRead(axis, out_rows);
  if (out_rows.first >= out_rows.end) return {0, 0};
  const uint64_t reach = (axis.size - 1) * axis.dilation;
  const uint64_t first = out_rows.first + axis.pad, last = out_rows.end - 1 + axis.pad;
  const uint64_t begin = first > reach ? (first - reach + axis.stride - 1) / axis.stride : 0;
  const uint64_t end = std::min(last / axis.stride + 1, axis.in);
  return begin < end ? IndexRange{begin, end} : IndexRange{0, 0};
}

uint64_t ConvWorkspaceBytes(const ConvShape&, DType) { return ConvWorkspace::kBytes; }

namespace {

// The part's channels of one group.
void ConvGroup(const ConvShape& shape, const InputMap& x, const WeightRows& weights,
               const float* bias, const MapPart& part, const ConvWorkspace& workspace,
               const OutputMap& out) {
  for (uint64_t py = 0; py < PassesOf(shape.rows, shape.transposed); ++py) {
    const AxisPass rows = PassOf(shape.rows, shape.transposed, py, part.rows);
    for (uint64_t px = 0; px < PassesOf(shape.cols, shape.transposed); ++px) {
      const AxisPass cols = PassOf(shape.cols, shape.transposed, px, {0, shape.cols.out});
      if (rows.grid == 0 || cols.grid == 0) continue;
      const ConvJob job = {
          shape, rows, cols, x, weights, bias, out.data, out.channel_stride, part.rows.first};
      HWY_DYNAMIC_DISPATCH(ConvPassSimd)(job, workspace);
    }
  }
}

}  // namespace

void Conv(const ConvShape& shape, const InputMap& x, const WeightRows& weights, const float* bias,
          const MapPart& part, std::span<std::byte> workspace, const OutputMap& out) {
  const uint64_t in_group = shape.in_channels / shape.groups;
  if (in_group == 1 && !shape.transposed && DepthwisePlanes::Fit(shape)) {
    HWY_DYNAMIC_DISPATCH(ConvDepthwiseSimd)
    (shape, x, weights, bias, part, ConvWorkspace(workspace.data()), out);
    return;
  }
  const uint64_t out_group = shape.out_channels / shape.groups;
  const uint64_t row_bytes = weights.row_bytes();
  for (uint64_t o = part.channels.first; o < part.channels.end;) {
    const uint64_t group = o / out_group;
    const uint64_t end = std::min((group + 1) * out_group, part.channels.end);
    const uint64_t index = o - part.channels.first;
    ConvGroup(shape, {x.data + group * in_group * x.channel_stride, x.channel_stride, x.first_row},
              {weights.type, weights.data + index * row_bytes, weights.cols, end - o,
               weights.sparse_row_bytes},
              bias == nullptr ? nullptr : bias + index, part, ConvWorkspace(workspace.data()),
              {out.data + index * out.channel_stride, out.channel_stride});
    o = end;
  }
}

}  // namespace tinyai
#endif
