// Fills planes of conv_planes.h.

#if defined(TINYAI_KERNEL_CONV_PLANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_CONV_PLANES_INL_H_
#undef TINYAI_KERNEL_CONV_PLANES_INL_H_
#else
#define TINYAI_KERNEL_CONV_PLANES_INL_H_
#endif

#include "kernel/conv_pack-inl.h"
#include "kernel/conv_planes.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

static_assert((kTileVectors + 1) * kLanes <= kConvSlack);

// Rows [first, first + rows) of the grid.
struct PlaneRows {
  uint64_t first, rows;
};

// A plane of some channels: row i is `width` elements of input row y + i * y_step, from column `at`
// on.
struct PlaneFill {
  const float* channel;
  uint64_t channels, channel_stride, to_stride;
  int64_t y, y_step, at, x_step, rows_in, cols_in, first_row;
  uint64_t height, width;
  float* to;

  bool Inside(int64_t row) const { return row >= 0 && row < rows_in; }
  const float* Row(int64_t row) const { return channel + (row - first_row) * cols_in; }
};

// Elements [at, at + kLanes) of a row of `size` that are in it.
HWY_INLINE hn::Mask<F32Tag> InsideOf(int64_t at, int64_t size) {
  const F32Tag d;
  constexpr auto kCount = static_cast<int64_t>(kLanes);
  const auto first = [&](int64_t n) {
    return hn::FirstN(d, static_cast<size_t>(std::clamp<int64_t>(n, 0, kCount)));
  };
  return hn::AndNot(first(-at), first(size - at));
}

// Vector by vector, each down all rows: what is inside of the map is the same in all of them.
template <int kStep>
void FillPlane(PlaneFill fill) {
  const F32Tag d;
  if constexpr (!kMasks || kStep == 0) {
    for (uint64_t c = 0; c < fill.channels; ++c) {
      int64_t y = fill.y;
      float* to = fill.to + c * fill.to_stride;
      for (uint64_t row = 0; row < fill.height; ++row, y += fill.y_step, to += fill.width) {
        // Outside, every element is beyond the end of a row of none.
        PackRow<kStep>(fill.Row(y), fill.Inside(y) ? fill.cols_in : 0, fill.at, fill.x_step,
                       fill.width, fill.width + kLanes, to);
      }
      fill.channel += fill.channel_stride;
    }
    return;
  }
  for (uint64_t col = 0; col < fill.width; col += kLanes) {
    const int64_t at = fill.at + static_cast<int64_t>(col) * kStep;
    const auto low = InsideOf(at, fill.cols_in);
    [[maybe_unused]] const auto high = InsideOf(at + static_cast<int64_t>(kLanes), fill.cols_in);
    const auto stored = hn::FirstN(d, std::min<size_t>(fill.width - col, kLanes));
    for (uint64_t c = 0; c < fill.channels; ++c) {
      int64_t y = fill.y;
      float* to = fill.to + c * fill.to_stride + col;
      const float* from = fill.Row(y) + c * fill.channel_stride + at;
      const int64_t apart = fill.y_step * fill.cols_in;
      for (uint64_t row = 0; row < fill.height;
           ++row, y += fill.y_step, from += apart, to += fill.width) {
        VF32 v = hn::Zero(d);
        if (fill.Inside(y)) {
          v = hn::MaskedLoad(low, d, from);
#if HWY_TARGET != HWY_SCALAR
          if constexpr (kStep == 2) {
            v = hn::ConcatEven(d, hn::MaskedLoad(high, d, from + kLanes), v);
          }
#endif
        }
        hn::BlendedStore(v, stored, d, to);
      }
    }
  }
}

// All planes of channels [first, end), those of a channel side by side.
template <int kStep>
void FillPlanesOf(const ConvGrid& grid, const ConvPlanes& planes, const PlaneRows& part,
                  uint64_t first, uint64_t end, float* to) {
  const auto row_step = static_cast<int64_t>(planes.rows.step);
  const uint64_t height = part.rows + planes.rows.reach, floats = planes.PlaneFloats(part.rows);
  // No plane needs what is below the last tap of the last row, and it may not be there.
  const uint64_t last_row = part.first + part.rows - 1;
  const int64_t last_in =
      std::max(grid.rows.Input(last_row, 0), grid.rows.Input(last_row, grid.rows.taps - 1));
  PlaneFill fill = {.channel = grid.x.data + first * grid.x.channel_stride,
                    .channels = end - first,
                    .channel_stride = grid.x.channel_stride,
                    .to_stride = planes.Planes() * floats,
                    .y = 0,
                    .y_step = row_step,
                    .at = 0,
                    .x_step = static_cast<int64_t>(planes.cols.step),
                    .rows_in = std::min(grid.rows.in, last_in + 1),
                    .cols_in = grid.cols.in,
                    .first_row = static_cast<int64_t>(grid.x.first_row),
                    .height = height,
                    .width = planes.width,
                    .to = to};
  for (uint64_t r = 0; r < planes.rows.planes; ++r) {
    for (uint64_t c = 0; c < planes.cols.planes; ++c, fill.to += floats) {
      fill.y = planes.rows.Input(grid.rows, r) + static_cast<int64_t>(part.first) * row_step;
      fill.at = planes.cols.Input(grid.cols, c);
      FillPlane<kStep>(fill);
      for (uint64_t i = 0; i < fill.channels; ++i) {
        std::fill_n(fill.to + i * fill.to_stride + height * planes.width, planes.shared, 0.0f);
      }
    }
  }
}

// The planes of channels [first, end) one after the other; wide ones channel by channel, so that
// their vectors are written while the row is near.
inline void FillAllPlanes(const ConvGrid& grid, const ConvPlanes& planes, const PlaneRows& part,
                          uint64_t first, uint64_t end, float* to) {
  const bool pairs = planes.cols.step == 2 && HWY_TARGET != HWY_SCALAR;
  const auto fill = planes.cols.step == 1 ? FillPlanesOf<1>
                    : pairs               ? FillPlanesOf<2>
                                          : FillPlanesOf<0>;
  if (planes.width <= kLanes && planes.Planes() == 1 && kMasks) {
    return fill(grid, planes, part, first, end, to);
  }
  const uint64_t floats = planes.Planes() * planes.PlaneFloats(part.rows);
  for (uint64_t c = first; c < end; ++c, to += floats) fill(grid, planes, part, c, c + 1, to);
}

// offset[k]: from a pixel's place in the planes of the first channel to tap first + k.
inline void OffsetsOfTaps(const ConvGrid& grid, const ConvPlanes& planes, uint64_t rows,
                          uint64_t first, size_t depth, uint32_t* offset) {
  const uint64_t plane = planes.PlaneFloats(rows);
  for (size_t k = 0; k < depth; ++k) {
    const uint64_t tap = first + k;
    const uint64_t kx = tap % grid.cols.taps, ky = tap / grid.cols.taps % grid.rows.taps;
    const uint64_t channel = tap / grid.Taps() - first / grid.Taps();
    const uint64_t index =
        (channel * planes.rows.planes + planes.rows.PlaneOf(grid.rows, ky)) * planes.cols.planes +
        planes.cols.PlaneOf(grid.cols, kx);
    const uint64_t row = planes.rows.PlaceOf(grid.rows, ky);
    const uint64_t col = planes.cols.PlaceOf(grid.cols, kx);
    offset[k] = static_cast<uint32_t>(index * plane + row * planes.width + col);
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_CONV_PLANES_INL_H_
