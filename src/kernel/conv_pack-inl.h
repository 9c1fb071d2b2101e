// Inputs of a convolution laid out as its tiles read them: for each tap in turn, the pixels of a
// panel side by side, zeros where a window lies over the edge.

#if defined(TINYAI_KERNEL_CONV_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_CONV_PACK_INL_H_
#undef TINYAI_KERNEL_CONV_PACK_INL_H_
#else
#define TINYAI_KERNEL_CONV_PACK_INL_H_
#endif

#include <algorithm>

#include "kernel/conv_pass.h"
#include "kernel/conv_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// to[i] = from[i * step], i < count. Reads nothing else.
HWY_INLINE void CopyEvery(const float* from, size_t step, size_t count, float* to) {
  const F32Tag d;
  size_t i = 0;
  if (step == 1) {
    for (; i + kLanes <= count; i += kLanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
    if (i < count) StoreFirst(LoadFirst(from + i, count - i), count - i, to + i);
    return;
  }
#if HWY_TARGET != HWY_SCALAR
  if (step == 2) {  // the last pair of vectors would read one float too many
    for (; i + kLanes < count; i += kLanes) {
      const VF32 low = hn::LoadU(d, from + 2 * i);
      hn::StoreU(hn::ConcatEven(d, hn::LoadU(d, from + 2 * i + kLanes), low), d, to + i);
    }
  }
#endif
  for (; i < count; ++i) to[i] = from[i * step];
}

HWY_INLINE void FillZeros(float* to, size_t count) {
  for (size_t i = 0; i < count; ++i) to[i] = 0;
}

// The grid of a pass over one group of input channels.
struct ConvGrid {
  AxisPass rows, cols;
  InputMap x;  // data: the group's first channel

  uint64_t Taps() const { return rows.taps * cols.taps; }
  uint64_t Pixels() const { return rows.grid * cols.grid; }
};

// Some neighbouring pixels of one row of the grid.
struct PixelRun {
  uint64_t row, col, count;
};

// One tap of `run`, from a channel.
HWY_INLINE void PackRun(const ConvGrid& grid, const float* channel, uint64_t ky, uint64_t kx,
                        const PixelRun& run, float* to) {
  const AxisPass& cols = grid.cols;
  const int64_t y = grid.rows.Input(run.row, ky);
  if (y < 0 || y >= grid.rows.in) return FillZeros(to, run.count);
  const float* row = channel + (y - static_cast<int64_t>(grid.x.first_row)) * cols.in;
  const int64_t first = cols.Input(run.col, kx), step = cols.in_step;
  const auto count = static_cast<int64_t>(run.count);
  // Pixels [begin, end) of the run lie over the row.
  const int64_t begin = first >= 0 ? 0 : std::min((-first + step - 1) / step, count);
  const int64_t end =
      first >= cols.in ? begin : std::clamp((cols.in - 1 - first) / step + 1, begin, count);
  FillZeros(to, static_cast<size_t>(begin));
  CopyEvery(row + first + begin * step, static_cast<size_t>(step), static_cast<size_t>(end - begin),
            to + begin);
  FillZeros(to + end, static_cast<size_t>(count - end));
}

// Taps [first, first + depth) of the pixels [pixel, pixel + count), for panels of `width` pixels.
inline void PackPanel(const ConvGrid& grid, uint64_t first, uint64_t depth, uint64_t pixel,
                      size_t count, size_t width, float* panel) {
  PixelRun runs[kTileVectors * kLanes];
  size_t run_count = 0;
  uint64_t row = pixel / grid.cols.grid, col = pixel % grid.cols.grid;
  for (size_t left = count; left > 0; ++row, col = 0) {
    const size_t some = std::min<uint64_t>(left, grid.cols.grid - col);
    runs[run_count++] = {row, col, some};
    left -= some;
  }
  uint64_t kx = first % grid.cols.taps, ky = first / grid.cols.taps % grid.rows.taps;
  const float* channel = grid.x.data + first / grid.Taps() * grid.x.channel_stride;
  for (uint64_t k = 0; k < depth; ++k, panel += width) {
    float* to = panel;
    for (size_t r = 0; r < run_count; ++r) {
      PackRun(grid, channel, ky, kx, runs[r], to);
      to += runs[r].count;
    }
    FillZeros(to, width - count);
    if (++kx < grid.cols.taps) continue;
    kx = 0;
    if (++ky < grid.rows.taps) continue;
    ky = 0;
    channel += grid.x.channel_stride;
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_CONV_PACK_INL_H_
