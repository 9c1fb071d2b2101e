// Sums of a tile on their way to outputs that lie apart.

#if defined(TINYAI_KERNEL_CONV_SCATTER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_CONV_SCATTER_INL_H_
#undef TINYAI_KERNEL_CONV_SCATTER_INL_H_
#else
#define TINYAI_KERNEL_CONV_SCATTER_INL_H_
#endif

#include "kernel/conv_job.h"
#include "kernel/conv_pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// Pixels [pixel, pixel + count), counted from the begin of grid row `row` on.
struct TilePixels {
  const PixelRows& rows;
  uint64_t row, pixel;
  size_t count;
};
struct TileSums {
  const float* sums;  // `width` floats from one row to the next
  size_t width, rows;
  bool add;
  const float* bias;  // one per row, or null
};

// `count` sums to elements `step` apart.
inline void ScatterRun(const float* from, size_t count, bool add, float bias, size_t step,
                       float* to) {
  for (size_t i = 0; i < count; ++i) {
    float& out = to[i * step];
    out = (add ? out + from[i] : from[i]) + bias;
  }
}

inline void ScatterTile(const ConvJob& job, const TilePixels& pixels, const TileSums& tile,
                        float* out) {
  const uint64_t step = job.cols.out_step;
  uint64_t row = pixels.row + pixels.pixel / pixels.rows.width;
  uint64_t col = pixels.pixel % pixels.rows.width;
  for (size_t done = 0; done < pixels.count; ++row, col = 0) {
    if (col < pixels.rows.cols) {
      const size_t some = std::min<uint64_t>(pixels.count - done, pixels.rows.cols - col);
      const uint64_t y = job.rows.first_out + row * job.rows.out_step - job.first_row;
      float* line = out + y * job.shape.cols.out + job.cols.first_out + col * step;
      for (size_t m = 0; m < tile.rows; ++m, line += job.out_stride) {
        ScatterRun(tile.sums + m * tile.width + done, some, tile.add,
                   tile.bias == nullptr ? 0.0f : tile.bias[m], step, line);
      }
    }
    done += pixels.rows.width - col;
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_CONV_SCATTER_INL_H_
