#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <span>

#include "base/result.h"
#include "graph/graph.h"

namespace tinyai {

// What the processor and the operating system both support.
struct SimdCapabilities {
  bool sse2 = false, ssse3 = false, sse41 = false, sse42 = false, avx = false, avx2 = false;
  bool fma = false, f16c = false;
  bool avx512 = false, avx512bw = false, avx512vnni = false, avx512bf16 = false, amx_int8 = false;
  bool neon = false, dotprod = false, sve = false;
  int vector_bits = 0;  // of the widest vectors our kernels use here
  int max_level = 0;    // the highest that differs from the one below it
};
SimdCapabilities ProbeSimd();

inline constexpr int kMostSimdLevel = 3;

enum class SimdOp : uint8_t { kProduct, kConv, kActivation, kAttention };
inline constexpr size_t kSimdOps = 4;

// With which instructions a model's layers are computed. Thread-safe.
class SimdSettings {
 public:
  // 0: plain code, 1: 128 bits, 2: 256 bits, 3: all there is; what the machine lacks is the next
  // lower one.
  void SetLevel(int level);
  int level() const;
  // Error ISA_UNSUPPORTED: to be switched on where there is plain code only.
  Status Enable(SimdOp op, bool enable);

  // For a layer with these ops: 0 if it has one of a kind that is switched off.
  int LevelFor(std::span<const Op> ops) const;

 private:
  mutable std::mutex mutex_;  // guards what follows
  int level_ = kMostSimdLevel;
  std::array<bool, kSimdOps> enabled_ = {true, true, true, true};
};

// While it exists, kernels use the instructions of this level, in all threads: which instructions
// they use is a property of the process. Scopes of one level may exist at once; one of another
// level waits until they have ended.
class SimdScope {
 public:
  explicit SimdScope(int level);
  ~SimdScope();
  SimdScope(const SimdScope&) = delete;
  SimdScope& operator=(const SimdScope&) = delete;
};

}  // namespace tinyai
