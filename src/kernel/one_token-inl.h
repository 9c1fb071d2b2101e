// Products of rows of floats with one token: rows are read as they lie, each with a vector of sums
// of its own.

#if defined(TINYAI_KERNEL_ONE_TOKEN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_ONE_TOKEN_INL_H_
#undef TINYAI_KERNEL_ONE_TOKEN_INL_H_
#else
#define TINYAI_KERNEL_ONE_TOKEN_INL_H_
#endif

#include <bit>

#include "kernel/lanes-inl.h"
#include "kernel/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// Readers of the float types: kLanes columns of a row, which need not be aligned.
struct ReadF32 {
  static constexpr size_t kBytes = 4;
  static HWY_INLINE VF32 Read(const uint8_t* p) {
    float values[kLanes];
    std::memcpy(values, p, sizeof(values));
    return hn::LoadU(F32Tag(), values);
  }
};
HWY_INLINE VU32 ReadHalves(const uint8_t* p) {
  const hn::Rebind<uint16_t, U32Tag> d16;
  uint16_t values[kLanes];
  std::memcpy(values, p, sizeof(values));
  return hn::PromoteTo(U32Tag(), hn::LoadU(d16, values));
}
struct ReadF16 {
  static constexpr size_t kBytes = 2;
  static HWY_INLINE VF32 Of(VU32 halves) { return FloatOfF16(halves); }
  static HWY_INLINE VF32 Read(const uint8_t* p) { return Of(ReadHalves(p)); }
};
struct ReadBF16 {
  static constexpr size_t kBytes = 2;
  static HWY_INLINE VF32 Of(VU32 halves) {
    return hn::BitCast(F32Tag(), hn::ShiftLeft<16>(halves));
  }
  static HWY_INLINE VF32 Read(const uint8_t* p) { return Of(ReadHalves(p)); }
};

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
constexpr size_t kRunChunks = 4;

// Columns [col, col + columns) of kAtOnce rows times x: one chain of multiply-adds from zero on for
// each lane's columns. `columns` <= kChunkColumns.
template <class Reader, size_t kAtOnce>
HWY_INLINE void MultiplyLanes(const uint8_t* const (&row)[kAtOnce], size_t columns, const float* x,
                              float (*lanes)[kLanes]) {
  const F32Tag d;
  VF32 sum[kAtOnce];
  for (auto& s : sum) s = hn::Zero(d);
  size_t c = 0;
  for (; c + kLanes <= columns; c += kLanes) {
    const VF32 factor = hn::LoadU(d, x + c);
#pragma GCC unroll 4
    for (size_t r = 0; r < kAtOnce; ++r) {
      sum[r] = hn::MulAdd(Reader::Read(row[r] + c * Reader::kBytes), factor, sum[r]);
    }
  }
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

// sums[r] += the columns of row r times x, chunk by chunk: of each lane's columns one chain, and
// these added in the order of the lanes. `columns` <= kRunChunks * kChunkColumns, `rows` <= kRows.
template <class Reader>
HWY_NOINLINE void MultiplyRows(Source weights, size_t rows, size_t columns, const float* x,
                               float* sums) {
  alignas(64) float lanes[kRunChunks][kRows][kLanes];
  constexpr size_t kAtOnce = kRows < 4 ? kRows : 4;
  for (size_t first = 0; first < kRows; first += kAtOnce) {
    const uint8_t* row[kAtOnce];
    for (size_t r = 0; r < kAtOnce; ++r) {  // behind the end, the last one again
      row[r] = weights.data + std::min(first + r, rows - 1) * weights.stride;
    }
    for (size_t c = 0, chunk = 0; c < columns; c += kChunkColumns, ++chunk) {
      MultiplyLanes<Reader>(row, std::min(kChunkColumns, columns - c), x + c, lanes[chunk] + first);
      for (const uint8_t*& r : row) r += kChunkColumns * Reader::kBytes;
    }
  }
  for (size_t c = 0, chunk = 0; c < columns; c += kChunkColumns, ++chunk) {
    AddLanes(lanes[chunk], sums);
  }
}

#if HWY_CAP_GE512 && HWY_ARCH_X86
constexpr bool kHaveSparse = true;

// The first `count` elements at p.
template <class Reader>
HWY_INLINE VF32 ReadFirst(const uint8_t* p, size_t count) {
  const auto first = static_cast<__mmask16>(_bzhi_u32(0xFFFF, static_cast<unsigned>(count)));
  if constexpr (Reader::kBytes == 4) {
    return VF32{_mm512_maskz_loadu_ps(first, p)};
  } else {
    return Reader::Of(VU32{_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first, p))});
  }
}

// Which elements of the group at `group` are there; none of one that does not lie before `end`.
// What it has of them is at `group` then.
template <class Reader>
HWY_INLINE uint32_t BeginGroup(const uint8_t*& group, const uint8_t* end) {
  const auto left = static_cast<size_t>(end - group);
  uint32_t there = 0;
  if (left >= sizeof(there)) std::memcpy(&there, group, sizeof(there));
  const size_t size = sizeof(there) + static_cast<size_t>(std::popcount(there)) * Reader::kBytes;
  if (size > left) {
    group = end;
    return 0;
  }
  group += sizeof(there);
  return there;
}

// The same for sparse rows (sparse_rows.h), of which only what is there is read: columns
// [col, col + columns) of rows that begin at weights.data.
template <class Reader>
HWY_NOINLINE void MultiplySparseRows(Source weights, size_t rows, size_t col, size_t columns,
                                     const float* x, float* sums) {
  constexpr size_t kAtOnce = 4;
  const F32Tag d;
  alignas(64) float lanes[kRows][kLanes];
  for (size_t first = 0; first < kRows; first += kAtOnce) {
    const uint8_t *group[kAtOnce], *end[kAtOnce];
    for (size_t r = 0; r < kAtOnce; ++r) {  // behind the end, the last one again
      const uint8_t* row = weights.data + std::min(first + r, rows - 1) * weights.stride;
      const size_t entry = col / kSparseRun * sizeof(uint32_t);
      uint32_t at = ~uint32_t{0};
      if (entry + sizeof(at) <= weights.stride) std::memcpy(&at, row + entry, sizeof(at));
      group[r] = row + std::min<size_t>(at, weights.stride);
      end[r] = row + weights.stride;
    }
    VF32 sum[kAtOnce];
    for (auto& s : sum) s = hn::Zero(d);
    for (size_t c = 0; c < columns; c += 2 * kLanes) {
      const VF32 low = LoadFirst(x + c, std::min(kLanes, columns - c));
      const VF32 high = columns > c + kLanes
                            ? LoadFirst(x + c + kLanes, std::min(kLanes, columns - c - kLanes))
                            : hn::Zero(d);
#pragma GCC unroll 4
      for (size_t r = 0; r < kAtOnce; ++r) {
        const uint32_t there = BeginGroup<Reader>(group[r], end[r]);
        const uint8_t* codes = group[r];
        const auto add = [&](uint32_t bits, VF32 factor) HWY_ATTR {
          const auto mask = static_cast<__mmask16>(bits);
          const auto count = static_cast<size_t>(std::popcount(bits));
          const VF32 some = ReadFirst<Reader>(codes, count);
          sum[r] = hn::MulAdd(VF32{_mm512_maskz_expand_ps(mask, some.raw)}, factor, sum[r]);
          codes += count * Reader::kBytes;
        };
        add(there & 0xFFFF, low);
        add(there >> 16, high);
        group[r] = codes;
      }
    }
    for (size_t r = 0; r < kAtOnce; ++r) hn::Store(sum[r], d, lanes[first + r]);
  }
  AddLanes(lanes, sums);
}
#else
constexpr bool kHaveSparse = false;
template <class Reader>
void MultiplySparseRows(Source, size_t, size_t, size_t, const float*, float*) {}
#endif

// Columns [col, col + columns) of up to kRows rows from `weights` on: as many as ColumnsAtOnce.
template <class Reader>
void MultiplyChunk(Source weights, size_t rows, size_t col, size_t columns, const float* x,
                   float* sums) {
  if (weights.sparse_cols != 0) {
    return MultiplySparseRows<Reader>(weights, rows, col, columns, x, sums);
  }
  MultiplyRows<Reader>({weights.data + col * Reader::kBytes, weights.stride}, rows, columns, x,
                       sums);
}

inline size_t ColumnsAtOnce(Source weights) {
  return weights.sparse_cols != 0 ? kChunkColumns : kRunChunks * kChunkColumns;
}

using MultiplyChunkFunction = void (*)(Source weights, size_t rows, size_t col, size_t columns,
                                       const float* x, float* sums);

// Null for types that are no floats, and for sparse rows where they have no way of their own.
inline MultiplyChunkFunction MultiplyChunkOf(DType type, bool sparse) {
  if (sparse && !kHaveSparse) return nullptr;
  switch (type) {
    case DType::kF32:
      return MultiplyChunk<ReadF32>;
    case DType::kF16:
      return MultiplyChunk<ReadF16>;
    case DType::kBF16:
      return MultiplyChunk<ReadBF16>;
    default:
      return nullptr;
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_ONE_TOKEN_INL_H_
