// Functions of single elements over whole rows: the last ones go through the same instructions, so
// an element's bits do not depend on its place.

#if defined(TINYAI_KERNEL_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_LANES_INL_H_
#undef TINYAI_KERNEL_LANES_INL_H_
#else
#define TINYAI_KERNEL_LANES_INL_H_
#endif

#include <cstring>

#include "kernel/dot8-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

constexpr size_t kLanes = hn::MaxLanes(F32Tag());

// Whether loads and stores of some lanes touch no byte of the others.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
constexpr bool kMasks = true;
#else
constexpr bool kMasks = false;
#endif

// The first `count` <= kLanes elements at p, followed by `rest`.
HWY_INLINE VF32 LoadFirst(const float* p, size_t count, float rest = 0.0f) {
  const F32Tag d;
  if (kLanes == 1 || count == kLanes) return hn::LoadU(d, p);
  if constexpr (kMasks) {
    const auto mask = hn::FirstN(d, count);
    return hn::IfThenElse(mask, hn::MaskedLoad(mask, d, p), hn::Set(d, rest));
  }
  alignas(64) float lanes[kLanes];
  for (float& lane : lanes) lane = rest;
  std::memcpy(lanes, p, count * sizeof(float));
  return hn::Load(d, lanes);
}
HWY_INLINE void StoreFirst(VF32 v, size_t count, float* p) {
  const F32Tag d;
  if (kLanes == 1 || count == kLanes) return hn::StoreU(v, d, p);
  if constexpr (kMasks) return hn::BlendedStore(v, hn::FirstN(d, count), d, p);
  alignas(64) float lanes[kLanes];
  hn::Store(v, d, lanes);
  std::memcpy(p, lanes, count * sizeof(float));
}

// For a vector used several times: GCC else may load it again for every use.
template <class V>
HWY_INLINE void KeepInRegister([[maybe_unused]] V& v) {
#if HWY_ARCH_X86 && HWY_COMPILER_GCC
  asm("" : "+v"(v.raw));
#endif
}

// The larger or smaller one, or a NaN if either is one: it loses every comparison.
struct Larger {
  HWY_INLINE VF32 operator()(VF32 x, VF32 y) const {
    return hn::IfThenElse(hn::Eq(x, x), hn::IfThenElse(hn::Gt(x, y), x, y), x);
  }
};
struct Smaller {
  HWY_INLINE VF32 operator()(VF32 x, VF32 y) const {
    return hn::IfThenElse(hn::Eq(x, x), hn::IfThenElse(hn::Lt(x, y), x, y), x);
  }
};

// out[i] = f(x[i]); out may be x.
template <class Function>
HWY_INLINE void MapLanes(const float* x, size_t size, float* out, Function f) {
  const F32Tag d;
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) hn::StoreU(f(hn::LoadU(d, x + i)), d, out + i);
  if (i < size) StoreFirst(f(LoadFirst(x + i, size - i)), size - i, out + i);
}
// out[i] = f(x[i], y[i]); out may be x or y.
template <class Function>
HWY_INLINE void MapLanes(const float* x, const float* y, size_t size, float* out, Function f) {
  const F32Tag d;
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    hn::StoreU(f(hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, out + i);
  }
  if (i < size) {
    const size_t left = size - i;
    StoreFirst(f(LoadFirst(x + i, left), LoadFirst(y + i, left)), left, out + i);
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_LANES_INL_H_
