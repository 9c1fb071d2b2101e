#include "kernel/conv.h"

#include <algorithm>

#include "kernel/conv_job.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/conv.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/conv_channels-inl.h"
#include "kernel/conv_depthwise-inl.h"
#include "kernel/conv_planes-inl.h"
#include "kernel/conv_scatter-inl.h"
#include "kernel/conv_weights-inl.h"

// A block of pixels at a time, and of these a chunk of taps at a time: the inputs are laid out in
// the workspace, and every tile of output channels times pixels gets the chunk's products. Where a
// channel has several taps, its input lies in planes, once for all of them; else it is packed into
// panels. Small maps go channel by channel instead (conv_channels-inl.h). Each output is the sum
// over chunks, in their order, of one chain of multiply-adds from zero on; then the bias.

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {
namespace {

static_assert(kMostDepthwiseTaps <= kDecoded);
static_assert(kBlockPixels * 128 <= ConvWorkspace::kPackedFloats);
static_assert(kMostTileFloats <= ConvWorkspace::kTileFloats);

// The pixels of a block, their inputs laid out.
struct Block {
  const PixelRows& rows;
  uint64_t row, pixel;  // the first pixel: `pixel` from the begin of grid row `row` on
  const Panels& panels;
  const float* inputs;
  const uint32_t* offset[kTileVectors];  // of taps, for panels of so many vectors and one
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
void MultiplyPanel(const ConvJob& job, const Block& block, const Panel& panel,
                   const TileRows& weights, uint64_t row, size_t rows, const TapChunk& chunk,
                   const ConvWorkspace& workspace) {
  const uint64_t before = block.row * block.rows.cols + block.rows.OutputsBefore(block.pixel);
  for (size_t r = 0; r < rows;) {
    size_t some = rows - r;
    const ConvTileFunction tile = ConvTileFor(panel.vectors, some);
    const float* bias = job.bias == nullptr || !chunk.is_last ? nullptr : job.bias + row + r;
    const float* a = weights.data + r * weights.stride;
    const float* b = block.inputs + panel.offset;
    const uint32_t* offset = block.offset[panel.vectors - 1];
    if (panel.pixel == 0)
      PrefetchRows(weights, r + some, std::min(r + 2 * some, rows), chunk.depth);
    float* out = job.out + (row + r) * job.out_stride;
    if (job.IsTogether()) {
      tile(a, weights.stride, b, offset, chunk.depth,
           {out + before + panel.at, job.out_stride, panel.vector, panel.whole, !chunk.is_first,
            bias});
    } else {
      const size_t width = panel.Width();
      tile(a, weights.stride, b, offset, chunk.depth,
           {workspace.tile, width, panel.vector, true, false, nullptr});
      ScatterTile(job, {block.rows, block.row, block.pixel + panel.pixel, panel.count},
                  {workspace.tile, width, some, !chunk.is_first, bias}, out);
    }
    r += some;
  }
}

void ComputeBlock(const ConvJob& job, const Block& block, const ChunkWeights& chunk_weights,
                  const TapChunk& chunk, const ConvWorkspace& workspace) {
  for (uint64_t row = 0; row < job.weights.rows; row += kBlockRows) {
    const size_t rows = std::min(kBlockRows, job.weights.rows - row);
    const TileRows weights = chunk_weights.Rows(row, rows, workspace);
    for (const Panel& panel : block.panels) {
      MultiplyPanel(job, block, panel, weights, row, rows, chunk, workspace);
    }
  }
}

// Pixels of a block: as many as have their outputs in the second cache beside the inputs.
size_t PixelsAtOnce(const ConvJob& job) {
  constexpr uint64_t kOutputFloats = 128 << 10, kStep = 3 * kLanes;
  const uint64_t pixels = kOutputFloats / job.weights.rows / kStep * kStep;
  return std::clamp<uint64_t>(pixels, 4 * kStep, kBlockPixels);
}

// Any taps of any grid, packed into panels.
void ConvByPanels(const ConvJob& job, const ConvGrid& grid, const ConvWorkspace& workspace) {
  const PixelRows rows{job.cols.grid, job.cols.grid};
  const uint64_t pixels = grid.Pixels(), step = PixelsAtOnce(job);
  uint32_t offset[kTileVectors][kMostChunk];
  for (size_t v = 0; v < kTileVectors; ++v) {
    for (uint32_t k = 0; k < kMostChunk; ++k)
      offset[v][k] = k * static_cast<uint32_t>((v + 1) * kLanes);
  }
  for (uint64_t pixel = 0; pixel < pixels; pixel += step) {
    const size_t some = std::min<uint64_t>(step, pixels - pixel);
    for (uint64_t first = 0; first < job.Depth();) {
      const TapChunk chunk = TapChunk::At(job, first);
      const Panels panels(rows, pixel, some, chunk.depth);
      PackBlock(grid, chunk.first, chunk.depth, panels, pixel, workspace.packed);
      ComputeBlock(
          job,
          {rows, 0, pixel, panels, workspace.packed, {offset[0], offset[1], offset[2], offset[3]}},
          ChunkWeights(job, chunk), chunk, workspace);
      first += chunk.depth;
    }
  }
}

// Rows of the grid, their inputs in planes.
void ConvRows(const ConvJob& job, const ConvGrid& grid, const ConvPlanes& planes,
              const PlaneRows& part, const ConvWorkspace& workspace) {
  const PixelRows rows{grid.cols.grid, planes.width};
  const uint64_t pixels = (part.rows - 1) * rows.width + rows.cols, step = PixelsAtOnce(job);
  const uint64_t taps = grid.Taps();
  uint32_t offset[kMostChunk];
  for (uint64_t first = 0; first < job.Depth();) {
    const TapChunk chunk = TapChunk::At(job, first);
    FillAllPlanes(grid, planes, part, first / taps, (first + chunk.depth - 1) / taps + 1,
                  workspace.packed);
    if (first == 0 || taps > job.MostChunk()) {
      OffsetsOfTaps(grid, planes, part.rows, first, chunk.depth, offset);
    }
    const ChunkWeights weights(job, chunk);
    for (uint64_t pixel = 0; pixel < pixels; pixel += step) {
      const Panels panels(rows, pixel, std::min<uint64_t>(step, pixels - pixel), 0);
      ComputeBlock(job,
                   {rows,
                    part.first,
                    pixel,
                    panels,
                    workspace.packed + pixel,
                    {offset, offset, offset, offset}},
                   weights, chunk, workspace);
    }
    first += chunk.depth;
  }
}

// A pass that reads nothing.
void WriteBias(const ConvJob& job, const ConvGrid& grid) {
  const PixelRows rows{grid.cols.grid, grid.cols.grid};
  const float zero = 0;
  for (uint64_t r = 0; r < job.weights.rows; ++r) {
    const float* bias = job.bias == nullptr ? nullptr : job.bias + r;
    for (uint64_t i = 0; i < grid.Pixels(); ++i) {
      ScatterTile(job, {rows, 0, i, 1}, {&zero, 1, 1, false, bias}, job.out + r * job.out_stride);
    }
  }
}

}  // namespace

void ConvPassSimd(const ConvJob& job, const ConvWorkspace& workspace) {
  const ConvGrid grid{job.rows, job.cols, job.x};
  if (job.Depth() == 0) return WriteBias(job, grid);
  if (job.IsTogether()) {
    if (ConvChannelsInPlace(job, grid, workspace)) return;
    if (ConvChannelsInPlanes(job, grid, workspace)) return;
  }
  if (job.Taps() == 1) return ConvByPanels(job, Flattened(grid), workspace);
  const ConvPlanes planes(job.rows, job.cols);
  const uint64_t channels = (TapChunk::At(job, 0).depth - 1) / job.Taps() + 1;
  const uint64_t most = planes.MostRows((ConvWorkspace::kPackedFloats - kConvSlack) / channels);
  if (most == 0) return ConvByPanels(job, grid, workspace);
  const uint64_t wanted = std::max<uint64_t>(PixelsAtOnce(job) / planes.width, 1);
  const uint64_t step = std::min(most, wanted);
  for (uint64_t row = 0; row < job.rows.grid; row += step) {
    ConvRows(job, grid, planes, {row, std::min(step, job.rows.grid - row)}, workspace);
  }
}

// Some rows of a part whose output channels have one input channel each. Some channels are laid
// out, then summed: loads of what was just stored otherwise would have to wait for it.
void ConvDepthwiseRows(const ConvJob& job, const ConvPlanes& planes, const PlaneRows& part,
                       uint64_t first_channel, const ConvWorkspace& workspace) {
  const ConvGrid grid{job.rows, job.cols, job.x};
  const PixelRows pixels{job.cols.grid, planes.width};
  TileVector vector[kMostFlatVectors];
  const size_t places = (part.rows - 1) * pixels.width + pixels.cols;
  const DepthwiseRows shape{part.rows, pixels.cols, pixels.width, (places + kLanes - 1) / kLanes,
                            vector};
  for (size_t v = 0; v < std::min(shape.count, kMostFlatVectors); ++v) {
    vector[v] = VectorAt(pixels, v * kLanes, std::min(kLanes, places - v * kLanes));
  }
  uint32_t offset[kMostDepthwiseTaps];
  OffsetsOfTaps(grid, planes, part.rows, 0, job.Taps(), offset);
  const SumFunction sum = SumFor(shape, job.rows, job.cols, planes);
  const uint64_t floats = planes.Planes() * planes.PlaneFloats(part.rows);
  const uint64_t at_once = std::max<uint64_t>(kGoodFloats / floats, 1);
  const uint64_t out_group = job.shape.out_channels / job.shape.groups;
  float* out = job.out + part.first * pixels.cols;
  for (uint64_t first = 0; first < job.weights.rows; first += at_once) {
    const uint64_t end = std::min(first + at_once, job.weights.rows);
    if (out_group == 1) {
      FillAllPlanes(grid, planes, part, first_channel + first, first_channel + end,
                    workspace.packed);
    } else {
      for (uint64_t o = first; o < end; ++o) {
        const uint64_t channel = (first_channel + o) / out_group;
        FillAllPlanes(grid, planes, part, channel, channel + 1,
                      workspace.packed + (o - first) * floats);
      }
    }
    for (uint64_t o = first; o < end; ++o) {
      const float* weights = FloatsOf(job.weights, o);
      if (weights == nullptr) {
        DecodeColumns(job.weights, o, 0, {workspace.row, job.weights.cols});
        weights = workspace.row;
      }
      sum(workspace.packed + (o - first) * floats, shape,
          {offset, weights, job.Taps(), job.bias == nullptr ? 0.0f : job.bias[o]},
          out + o * job.out_stride);
    }
  }
}

void ConvDepthwiseSimd(const ConvJob& job, uint64_t first_channel, const ConvWorkspace& workspace) {
  const ConvPlanes planes(job.rows, job.cols);
  const uint64_t most = std::max<uint64_t>(planes.MostRows(kGoodFloats), 1);
  for (uint64_t row = 0; row < job.rows.grid; row += most) {
    ConvDepthwiseRows(job, planes, {row, std::min(most, job.rows.grid - row)}, first_channel,
                      workspace);
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

// A part whose output channels have one input channel each; false if they are too large for it. The
// bits are those of any other way, since all taps are one chunk.
bool ConvDepthwise(const ConvJob& job, uint64_t first_channel, const ConvWorkspace& workspace) {
  if (job.Taps() > kMostDepthwiseTaps || job.Depth() != job.Taps()) return false;
  const ConvPlanes planes(job.rows, job.cols);
  if (planes.MostRows(ConvWorkspace::kPackedFloats - kConvSlack) == 0) return false;
  HWY_DYNAMIC_DISPATCH(ConvDepthwiseSimd)(job, first_channel, workspace);
  return true;
}

}  // namespace

void Conv(const ConvShape& shape, const InputMap& x, const WeightRows& weights, const float* bias,
          const MapPart& part, std::span<std::byte> workspace, const OutputMap& out) {
  static constexpr float kNothing = 0;  // a place to count from where a part reads padding alone
  if (x.data == nullptr) {
    return Conv(shape, {&kNothing, x.channel_stride, x.first_row}, weights, bias, part, workspace,
                out);
  }
  const ConvWorkspace room(workspace.data());
  const uint64_t in_group = shape.in_channels / shape.groups;
  const uint64_t out_group = shape.out_channels / shape.groups;
  if (in_group == 1 && !shape.transposed) {
    const ConvJob job = {shape,
                         PassOf(shape.rows, false, 0, part.rows),
                         PassOf(shape.cols, false, 0, {0, shape.cols.out}),
                         x,
                         weights,
                         bias,
                         out.data,
                         out.channel_stride,
                         part.rows.first};
    if (ConvDepthwise(job, part.channels.first, room)) return;
  }
  const uint64_t row_bytes = weights.row_bytes();
  for (uint64_t o = part.channels.first; o < part.channels.end;) {
    const uint64_t group = o / out_group;
    const uint64_t end = std::min((group + 1) * out_group, part.channels.end);
    const uint64_t index = o - part.channels.first;
    ConvGroup(shape, {x.data + group * in_group * x.channel_stride, x.channel_stride, x.first_row},
              {weights.type, weights.data + index * row_bytes, weights.cols, end - o,
               weights.sparse_row_bytes},
              bias == nullptr ? nullptr : bias + index, part, room,
              {out.data + index * out.channel_stride, out.channel_stride});
    o = end;
  }
}

}  // namespace tinyai
#endif
