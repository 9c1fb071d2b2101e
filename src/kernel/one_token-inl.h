// Products of rows of floats with one token: rows are read as they lie, each with a vector of sums
// of its own.

#if defined(TINYAI_KERNEL_ONE_TOKEN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_ONE_TOKEN_INL_H_
#undef TINYAI_KERNEL_ONE_TOKEN_INL_H_
#else
#define TINYAI_KERNEL_ONE_TOKEN_INL_H_
#endif

#include "kernel/sparse_lanes-inl.h"
#include "kernel/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// sums[r] += the lanes of row r, in their order.
HWY_INLINE void AddLanes(const float (&lanes)[kRows][kLanes], float* sums) {
  const F32Tag d;
  VF32 total = hn::Load(d, sums);
  if constexpr (kLanes == 1) {
    total = hn::Add(total, hn::Load(d, lanes[0]));
  } else {
    const auto* bytes = reinterpret_cast<const uint8_t*>(lanes);
    for (size_t lane = 0; lane < kLanes; lane += 4) {
      const Chunk four = LoadChunk(bytes + lane * sizeof(float), sizeof(lanes[0]));
      total = hn::Add(total, hn::BitCast(d, four.v0));
      total = hn::Add(total, hn::BitCast(d, four.v1));
      total = hn::Add(total, hn::BitCast(d, four.v2));
      total = hn::Add(total, hn::BitCast(d, four.v3));
    }
  }
  hn::Store(total, d, sums);
}

// Chunks of a row read one after the other: hardware prefetchers follow long runs only.
constexpr size_t kRunChunks = 16;

// Columns [col, col + columns) of kAtOnce rows, `stride` bytes apart, times x: one chain of
// multiply-adds from zero on for each lane's columns. `columns` <= kChunkColumns. Rows of halves
// are too short for hardware prefetchers, so the place in the next rows is asked for.
template <class Reader, size_t kAtOnce>
HWY_INLINE void MultiplyLanes(const uint8_t* const (&rows)[kAtOnce], size_t stride, size_t col,
                              size_t columns, const float* x, float (*lanes)[kLanes]) {
  const F32Tag d;
  const uint8_t* row[kAtOnce];
  for (size_t r = 0; r < kAtOnce; ++r) row[r] = rows[r] + col * Reader::kBytes;
  VF32 sum[kAtOnce];
  for (auto& s : sum) s = hn::Zero(d);
  size_t c = 0;
  const auto add = [&](size_t at) HWY_ATTR {
    const VF32 factor = hn::LoadU(d, x + at);
#pragma GCC unroll 4
    for (size_t r = 0; r < kAtOnce; ++r) {
      sum[r] = hn::MulAdd(Reader::Read(row[r] + at * Reader::kBytes), factor, sum[r]);
    }
  };
  constexpr size_t kLine = 64 / Reader::kBytes;  // columns of a cache line
  for (; c + kLine <= columns; c += kLine) {
    for (size_t r = 0; Reader::kBytes < 4 && r < kAtOnce; ++r) {
      __builtin_prefetch(row[r] + c * Reader::kBytes + kAtOnce * stride, 0, 2);
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < kLine; i += kLanes) add(c + i);
  }
  for (; c + kLanes <= columns; c += kLanes) add(c);
  if (c < columns) {
    const VF32 factor = LoadFirst(x + c, columns - c);
    for (size_t r = 0; r < kAtOnce; ++r) {
      alignas(64) uint8_t rest[kLanes * Reader::kBytes] = {};
      std::memcpy(rest, row[r] + c * Reader::kBytes, (columns - c) * Reader::kBytes);
      sum[r] = hn::MulAdd(Reader::Read(rest), factor, sum[r]);
    }
  }
  for (size_t r = 0; r < kAtOnce; ++r) hn::Store(sum[r], d, lanes[r]);
}

#if TINYAI_SPARSE_LANES
// The same of sparse rows, each 2 * kLanes columns at a time.
template <class Reader, size_t kAtOnce>
HWY_INLINE void MultiplySparseLanes(const uint8_t* const (&row)[kAtOnce], size_t stride, size_t col,
                                    size_t columns, const float* x, float (*lanes)[kLanes]) {
  const F32Tag d;
  SparseRow<Reader> groups[kAtOnce];
  VF32 sum[kAtOnce];
  for (size_t r = 0; r < kAtOnce; ++r) {
    groups[r] = SparseRow<Reader>(row[r], stride, col);
    sum[r] = hn::Zero(d);
  }
  for (size_t c = 0; c < columns; c += 2 * kLanes) {
    const VF32 low = LoadFirst(x + c, std::min(kLanes, columns - c));
    const VF32 high = columns > c + kLanes
                          ? LoadFirst(x + c + kLanes, std::min(kLanes, columns - c - kLanes))
                          : hn::Zero(d);
#pragma GCC unroll 4
    for (size_t r = 0; r < kAtOnce; ++r) {
      groups[r].Prefetch(kAtOnce * stride);  // of the next rows: about the same columns
      const auto group = groups[r].Next();
      sum[r] = hn::MulAdd(group.low, low, sum[r]);
      sum[r] = hn::MulAdd(group.high, high, sum[r]);
    }
  }
  for (size_t r = 0; r < kAtOnce; ++r) hn::Store(sum[r], d, lanes[r]);
}
#endif

// sums[r] += the columns of row r times x, chunk by chunk: of each lane's columns one chain, which
// `multiply(rows, column, columns, lanes)` computes for some rows, and these added in the order of
// the lanes. `columns` <= kRunChunks * kChunkColumns, `rows` <= kRows.
template <class Multiply>
HWY_INLINE void MultiplyRows(Source weights, size_t rows, size_t columns, float* sums,
                             Multiply multiply) {
  alignas(64) float lanes[kRunChunks][kRows][kLanes];
  constexpr size_t kAtOnce = kRows < 4 ? kRows : 4;
  for (size_t first = 0; first < kRows; first += kAtOnce) {
    const uint8_t* row[kAtOnce];
    for (size_t r = 0; r < kAtOnce; ++r) {  // behind the end, the last one again
      row[r] = weights.data + std::min(first + r, rows - 1) * weights.stride;
    }
    for (size_t c = 0, chunk = 0; c < columns; c += kChunkColumns, ++chunk) {
      multiply(row, c, std::min(kChunkColumns, columns - c), lanes[chunk] + first);
    }
  }
  for (size_t c = 0, chunk = 0; c < columns; c += kChunkColumns, ++chunk) {
    AddLanes(lanes[chunk], sums);
  }
}

// Columns [col, col + columns) of up to kRows rows from `weights` on: at most kRunChunks chunks.
template <class Reader>
HWY_NOINLINE void MultiplyChunks(Source weights, size_t rows, size_t col, size_t columns,
                                 const float* x, float* sums) {
#if TINYAI_SPARSE_LANES
  if (weights.sparse_cols != 0) {
    return MultiplyRows(
        weights, rows, columns, sums,
        [&](const auto& row, size_t c, size_t some, float(*lanes)[kLanes]) HWY_ATTR {
          MultiplySparseLanes<Reader>(row, weights.stride, col + c, some, x + c, lanes);
        });
  }
#endif
  const Source from = {weights.data + col * Reader::kBytes, weights.stride};
  MultiplyRows(from, rows, columns, sums,
               [&](const auto& row, size_t c, size_t some, float(*lanes)[kLanes])
                   HWY_ATTR { MultiplyLanes<Reader>(row, from.stride, c, some, x + c, lanes); });
}

using MultiplyChunksFunction = void (*)(Source weights, size_t rows, size_t col, size_t columns,
                                        const float* x, float* sums);

// Null for types that are no floats, and for sparse rows where they have no way of their own.
inline MultiplyChunksFunction MultiplyChunksOf(DType type, bool sparse) {
  if (sparse && !TINYAI_SPARSE_LANES) return nullptr;
  switch (type) {
    case DType::kF32:
      return MultiplyChunks<ReadF32>;
    case DType::kF16:
      return MultiplyChunks<ReadF16>;
    case DType::kBF16:
      return MultiplyChunks<ReadBF16>;
    default:
      return nullptr;
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_ONE_TOKEN_INL_H_
