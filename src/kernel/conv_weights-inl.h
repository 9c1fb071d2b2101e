// Weights of a convolution as its tiles read them.

#if defined(TINYAI_KERNEL_CONV_WEIGHTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_CONV_WEIGHTS_INL_H_
#undef TINYAI_KERNEL_CONV_WEIGHTS_INL_H_
#else
#define TINYAI_KERNEL_CONV_WEIGHTS_INL_H_
#endif

#include <cstring>

#include "hwy/highway.h"
#include "kernel/conv_job.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// A row of weights where it lies, or null if that is not as floats.
inline const float* FloatsOf(const WeightRows& weights, uint64_t row) {
  const std::byte* data = weights.data + row * weights.row_bytes();
  const bool floats = weights.type == DType::kF32 && weights.sparse_row_bytes == 0 &&
                      reinterpret_cast<uintptr_t>(data) % sizeof(float) == 0;
  return floats ? reinterpret_cast<const float*>(data) : nullptr;
}

struct TileRows {
  const float* data;
  size_t stride;
};

// The weights of a chunk of taps, row block by row block: where they are, or in the workspace if
// they are no floats or do not lie side by side.
class ChunkWeights {
 public:
  ChunkWeights(const ConvJob& job, const TapChunk& chunk)
      : job_(job),
        chunk_(chunk),
        in_place_(job.UsesAllTaps() && FloatsOf(job.weights, 0) != nullptr) {
    if (!in_place_) FindColumns();
  }

  TileRows Rows(uint64_t row, size_t rows, const ConvWorkspace& workspace) const {
    if (in_place_) return {FloatsOf(job_.weights, row) + chunk_.first, job_.weights.cols};
    for (size_t r = 0; r < rows; ++r) {
      float* to = workspace.weights + r * kMostChunk;
      const float* floats = FloatsOf(job_.weights, row + r);
      if (floats == nullptr) {
        Decode(row + r, workspace.row, to);
      } else {
        for (size_t k = 0; k < chunk_.depth; ++k) to[k] = floats[column_[k]];
      }
    }
    return {workspace.weights, kMostChunk};
  }

 private:
  // The columns of the weights that the chunk's taps have.
  void FindColumns() {
    const AxisPass &rows = job_.rows, &cols = job_.cols;
    uint64_t kx = chunk_.first % cols.taps, ky = chunk_.first / cols.taps % rows.taps;
    uint64_t channel = chunk_.first / job_.Taps();
    for (size_t k = 0; k < chunk_.depth; ++k) {
      const uint64_t row = channel * job_.shape.rows.size + rows.first_tap + ky * rows.tap_step;
      column_[k] = row * job_.shape.cols.size + cols.first_tap + kx * cols.tap_step;
      if (++kx < cols.taps) continue;
      kx = 0;
      if (++ky < rows.taps) continue;
      ky = 0;
      ++channel;
    }
  }
  void Decode(uint64_t row, float* decoded, float* to) const {
    uint64_t begin = 0, end = 0;  // columns that `decoded` holds
    for (size_t k = 0; k < chunk_.depth; ++k) {
      if (column_[k] < begin || column_[k] >= end) {
        begin = column_[k] / kDecoded * kDecoded;
        end = std::min(begin + kDecoded, job_.weights.cols);
        DecodeColumns(job_.weights, row, begin, {decoded, end - begin});
      }
      to[k] = decoded[column_[k] - begin];
    }
  }

  const ConvJob& job_;
  const TapChunk chunk_;
  const bool in_place_;
  uint64_t column_[kMostChunk];
};

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_CONV_WEIGHTS_INL_H_
