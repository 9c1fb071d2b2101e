// Rows of a matrix as the panel decoders want them: kRows of them at a constant stride, with
// missing rows replaced by zeros.

#if defined(TINYAI_KERNEL_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_TILE_INL_H_
#undef TINYAI_KERNEL_TILE_INL_H_
#else
#define TINYAI_KERNEL_TILE_INL_H_
#endif

#include <algorithm>

#include "kernel/matmul.h"
#include "kernel/rows-inl.h"
#include "kernel/sparse_rows.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// Columns decoded at a time, and the most bytes they have in a row (of F32).
constexpr size_t kChunkColumns = 256;
constexpr size_t kChunkBytes = kChunkColumns * 4;

// Token rows multiplied with one panel while it is warm; bounds the sums kept on the stack.
constexpr size_t kTokenTile = 64;

struct Source {
  const uint8_t* data;
  size_t stride;
  size_t sparse_cols = 0;  // not 0: sparse rows of so many columns
};

// The rows from row `first` on.
inline Source SourceOf(const WeightRows& weights, size_t first) {
  const auto* data = reinterpret_cast<const uint8_t*>(weights.data);
  const size_t stride = weights.row_bytes();
  return {data + first * stride, stride, weights.sparse_row_bytes != 0 ? weights.cols : 0};
}

// Copies `bytes` bytes of each of `rows` rows (fewer than kRows, or with too few bytes to read in
// whole chunks) to `buffer`, and zeros for the rest.
inline Source CopyTile(Source from, size_t rows, size_t bytes, uint8_t* buffer) {
  std::memset(buffer, 0, kRows * kChunkBytes);
  for (size_t r = 0; r < rows; ++r) {
    std::memcpy(buffer + r * kChunkBytes, from.data + r * from.stride, bytes);
  }
  return {buffer, kChunkBytes};
}

// Unpacks the chunk from column `col` on of `rows` sparse rows to `buffer`, and zeros for the rest.
inline Source UnpackTile(DType type, Source from, size_t rows, size_t col, uint8_t* buffer) {
  static_assert(kChunkColumns == kSparseRun);
  std::memset(buffer, 0, kRows * kChunkBytes);
  for (size_t r = 0; r < rows; ++r) {
    const auto* row = reinterpret_cast<const std::byte*>(from.data + r * from.stride);
    UnpackSparseRun(type, from.sparse_cols, {row, from.stride}, col,
                    reinterpret_cast<std::byte*>(buffer + r * kChunkBytes));
  }
  return {buffer, kChunkBytes};
}

// Blocks of a product, one after the other, rows outermost: use(row, rows, token, tokens), rows in
// whole `unit`s but for the last ones, and at most `most_tokens` tokens.
template <class Use>
HWY_INLINE void ForBlocks(size_t rows, size_t unit, size_t tokens, size_t most_tokens,
                          const Tiling& tiling, const Use& use) {
  const size_t row_block =
      tiling.block == 0 || tiling.block >= rows ? rows : (tiling.block + unit - 1) / unit * unit;
  const size_t token_block =
      tiling.block == 0 ? most_tokens : std::min<size_t>(tiling.block, most_tokens);
  for (size_t r = 0; r < rows; r += row_block) {
    for (size_t t = 0; t < tokens; t += token_block) {
      use(r, std::min(row_block, rows - r), t, std::min(token_block, tokens - t));
    }
  }
}

// The rows after a tile, asked for while the tile is worked on. Many rows are read side by side, a
// pattern that hardware prefetchers follow badly; asked for in the order of their addresses, memory
// delivers them at its full rate.
class NextTile {
 public:
  // `tile` has `rows` rows of `cols` columns; nothing is asked for from `end` on.
  NextTile(Source tile, size_t rows, const uint8_t* end, size_t cols, const Tiling& tiling)
      : left_(static_cast<size_t>(end - tile.data)), line_bytes_(tiling.line_bytes) {
    const size_t tile_bytes = std::min(rows * tile.stride, left_);
    const size_t distance =
        tiling.prefetch_bytes == Tiling::kNextTile ? tile_bytes : tiling.prefetch_bytes;
    const size_t some = std::min(distance, tile_bytes);  // the last of what is as near
    const size_t skipped = std::min(left_, tile_bytes + (distance - some));
    at_ = tile.data + skipped;
    left_ = std::min(left_ - skipped, some);
    bytes_per_block_ = left_ / (cols / 32 + 1) + line_bytes_;
  }
  // To be called for every `blocks` x 32 columns.
  HWY_INLINE void Prefetch(size_t blocks) {
    const size_t some = std::min(bytes_per_block_ * blocks, left_);
    for (size_t i = 0; i < some; i += line_bytes_) __builtin_prefetch(at_ + i, 0, 2);  // into L2
    at_ += some;
    left_ -= some;
  }

 private:
  const uint8_t* at_;
  size_t left_, line_bytes_, bytes_per_block_;
};

// Moves sums[t * width + r] to out[t * out_stride + r].
inline void StoreSums(const float* sums, size_t width, size_t rows, size_t tokens, float* out,
                      size_t out_stride) {
  for (size_t t = 0; t < tokens; ++t) {
    std::memcpy(out + t * out_stride, sums + t * width, rows * sizeof(float));
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_TILE_INL_H_
