// Quantised activation rows as products read them, and the sink that multiplies one of them with
// decoded blocks of weights.

#if defined(TINYAI_KERNEL_TOKENS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_TOKENS_INL_H_
#undef TINYAI_KERNEL_TOKENS_INL_H_
#else
#define TINYAI_KERNEL_TOKENS_INL_H_
#endif

#include <bit>

#include "kernel/panel-inl.h"
#include "kernel/quantized_layout.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

struct Tokens {
  const std::byte* rows;
  size_t stride;
  QuantizedLayout layout;

  template <class T>
  T Get(size_t token, size_t offset, size_t index) const {
    T value;
    std::memcpy(&value, rows + token * stride + offset + index * sizeof(T), sizeof(T));
    return value;
  }
  Tokens From(size_t token) const { return {rows + token * stride, stride, layout}; }
};

// What the integer sums of dwords [first, first + 4) of a block start with: -offset * sum of x.
template <Form form>
HWY_INLINE VI32 StartSum(const Tokens& x, size_t token, size_t block, size_t half) {
  if constexpr (form.offset == 0) {
    return hn::Zero(I32Tag());
  } else {
    const size_t offset = form.half_scales ? x.layout.half_sum : x.layout.sum;
    const size_t index = form.half_scales ? 2 * block + half : block;
    const VI32 sum8 = hn::Set(I32Tag(), x.Get<int32_t>(token, offset, index));
    constexpr int kShift = std::bit_width(static_cast<unsigned>(form.offset)) - 4;
    static_assert(form.offset == 8 << kShift);
    return hn::ShiftLeft<kShift>(sum8);
  }
}

// The sink that multiplies each block with one token as it comes, without a panel.
template <Form form>
struct VectorSink {
  Tokens x;
  size_t first_block;
  VF32 sum;

  HWY_INLINE void Block(size_t b, const Chunk& first, const Chunk& second, VF32 scale) {
    VI32 dot = StartSum<form>(x, 0, first_block + b, 0);
    dot = Four(dot, 8 * (first_block + b), first);
    Add(Four(dot, 8 * (first_block + b) + 4, second), b, scale);
  }
  HWY_INLINE void BlockWithLow(size_t b, const Chunk& first, const Chunk& second, VF32 scale,
                               VF32 low) {
    Block(b, first, second, scale);
    const float x_sum = x.Get<float>(0, x.layout.scaled_sum, first_block + b);
    sum = hn::MulAdd(low, hn::Set(F32Tag(), x_sum), sum);
  }
  // Block b by its integer product, offset not yet taken off.
  HWY_INLINE void Product(size_t b, VI32 dot, VU32 head) {
    const VI32 start = StartSum<form>(x, 0, first_block + b, 0);
    Add(hn::Add(dot, start), b, FloatOfF16(LowHalf(head)));
    if constexpr (form.low) {
      const float x_sum = x.Get<float>(0, x.layout.scaled_sum, first_block + b);
      sum = hn::MulAdd(FloatOfF16(HighHalf(head)), hn::Set(F32Tag(), x_sum), sum);
    }
  }
  HWY_INLINE void Halves(size_t b, const Chunk& first, const Chunk& second, VF32 first_scale,
                         VF32 second_scale) {
    const size_t dword = 8 * (first_block + b);
    Add(Four(StartSum<form>(x, 0, first_block + b, 0), dword, first), b, first_scale);
    Add(Four(StartSum<form>(x, 0, first_block + b, 1), dword + 4, second), b, second_scale);
  }

 private:
  // dot + four dwords of codes times x's dwords from `at` on.
  HWY_INLINE VI32 Four(VI32 dot, size_t at, const Chunk& codes) const {
    dot = One(dot, at, codes.v0);
    dot = One(dot, at + 1, codes.v1);
    dot = One(dot, at + 2, codes.v2);
    return One(dot, at + 3, codes.v3);
  }
  HWY_INLINE VI32 One(VI32 dot, size_t at, VU32 codes) const {
    const I32Tag d;
    return Dot<form>(dot, hn::BitCast(d, codes), hn::Set(d, x.Get<int32_t>(0, 0, at)));
  }
  HWY_INLINE void Add(VI32 dot, size_t b, VF32 scale) {
    const F32Tag d;
    const VF32 x_scale = hn::Set(d, x.Get<float>(0, x.layout.scale, first_block + b));
    sum = hn::MulAdd(hn::ConvertTo(d, dot), hn::Mul(scale, x_scale), sum);
  }
};

// The bytes of columns [col, col + columns) of the rows, copied if rows are missing or sparse
// (then at most kRows).
template <class Decoder>
HWY_INLINE Source ChunkOf(Source weights, size_t rows, size_t wanted, size_t col, size_t columns,
                          uint8_t* buffer) {
  if (weights.sparse_cols != 0) return UnpackTile(Decoder::kType, weights, rows, col, buffer);
  const Source chunk = {weights.data + RowBytes(Decoder::kType, col), weights.stride};
  if (rows >= wanted) return chunk;
  return CopyTile(chunk, rows, RowBytes(Decoder::kType, columns), buffer);
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_TOKENS_INL_H_
