#include "device/cpu_stages.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "device/elements.h"
#include "kernel/matmul.h"

namespace tinyai {
namespace {

// Calls visit(lane, count) for each tile of what the stage computes.
template <typename Visit>
void EachTile(const Stage& stage, TiledStage& tiles, std::span<const std::byte* const> slots,
              bool& trapped, Visit visit) {
  tiles.Begin(slots, trapped);
  for (uint64_t first = 0; first < stage.count; first += TiledStage::kTile) {
    const uint64_t count = std::min(TiledStage::kTile, stage.count - first);
    visit(tiles.Compute(first, count, trapped), first, count);
  }
}

template <typename T>
void Reduce(const Stage& stage, TiledStage& tiles, std::span<const std::byte* const> slots,
            std::byte* out, bool& trapped) {
  T sum{};
  EachTile(stage, tiles, slots, trapped,
           [&](const std::byte* lane, uint64_t first, uint64_t count) {
             const T* const x = reinterpret_cast<const T*>(lane);
             uint64_t i = 0;
             if (first == 0 && stage.reduction != ExprNode::Kind::kSum) sum = x[i++];
             switch (stage.reduction) {
               case ExprNode::Kind::kSum:
                 for (; i < count; ++i) sum = Add(sum, x[i]);
                 break;
               case ExprNode::Kind::kReduceMin:
                 for (; i < count; ++i) sum = Least(sum, x[i]);
                 break;
               default:
                 for (; i < count; ++i) sum = Most(sum, x[i]);
                 break;
             }
           });
  StoreLane(stage.out.type.scalar, reinterpret_cast<const std::byte*>(&sum), 1, out, stage.first);
}

template <typename T>
void Count(const Stage& stage, TiledStage& tiles, std::span<const std::byte* const> slots,
           std::byte* out, bool& trapped) {
  const uint64_t bins = ElementCount(stage.out.type);
  std::vector<int32_t> counts(bins);
  EachTile(stage, tiles, slots, trapped, [&](const std::byte* lane, uint64_t, uint64_t count) {
    const T* const x = reinterpret_cast<const T*>(lane);
    for (uint64_t i = 0; i < count; ++i) {
      if (!(x[i] >= 0)) continue;
      const int64_t bin = ToWhole<int64_t>(x[i]);
      if (static_cast<uint64_t>(bin) < bins) {
        counts[static_cast<size_t>(bin)] = Add(counts[static_cast<size_t>(bin)], 1);
      }
    }
  });
  std::memcpy(out, counts.data(), bins * sizeof(int32_t));
}

// out[m, n] = a[m, k] x b[k, n]. Rows of b are gone through together, kDepth at a time, so that the
// sums of a row stay near; each sum still takes its products in the order of k.
template <typename T>
void Multiply(const T* a, const T* b, uint64_t m, uint64_t k, uint64_t n, T* out) {
  constexpr uint64_t kDepth = 64, kWidth = 256;
  std::fill_n(out, m * n, T{});
  for (uint64_t depth = 0; depth < k; depth += kDepth) {
    const uint64_t deep = std::min(k, depth + kDepth);
    for (uint64_t left = 0; left < n; left += kWidth) {
      const uint64_t wide = std::min(kWidth, n - left);
      for (uint64_t row = 0; row < m; ++row) {
        T* const sums = out + row * n + left;
        for (uint64_t i = depth; i < deep; ++i) {
          const T factor = a[row * k + i];
          const T* const products = b + i * n + left;
          for (uint64_t j = 0; j < wide; ++j) {
            sums[j] = Add(sums[j], tinyai::Multiply(factor, products[j]));
          }
        }
      }
    }
  }
}

bool Aligned(const void* at, size_t alignment) {
  return reinterpret_cast<uintptr_t>(at) % alignment == 0;
}

// Plans may lay buffers anywhere, numbers in memory lie on multiples of their size.
template <typename T>
void MultiplyWhole(const Stage& stage, std::span<const std::byte* const> slots, std::byte* out) {
  const uint64_t m = stage.m, k = stage.k, n = stage.n;
  if (Aligned(slots[0], sizeof(T)) && Aligned(slots[1], sizeof(T)) && Aligned(out, sizeof(T))) {
    return Multiply(reinterpret_cast<const T*>(slots[0]), reinterpret_cast<const T*>(slots[1]), m,
                    k, n, reinterpret_cast<T*>(out));
  }
  std::vector<T> a(m * k), b(k * n), sums(m * n);
  std::memcpy(a.data(), slots[0], a.size() * sizeof(T));
  std::memcpy(b.data(), slots[1], b.size() * sizeof(T));
  Multiply(a.data(), b.data(), m, k, n, sums.data());
  std::memcpy(out, sums.data(), sums.size() * sizeof(T));
}

}  // namespace

void MapOnCpu(const Stage& stage, TiledStage& tiles, std::span<const std::byte* const> slots,
              std::byte* out, bool& trapped) {
  EachTile(stage, tiles, slots, trapped,
           [&](const std::byte* lane, uint64_t first, uint64_t count) {
             StoreLane(stage.out.type.scalar, lane, count, out, stage.first + first);
           });
}

void ReduceOnCpu(const Stage& stage, TiledStage& tiles, std::span<const std::byte* const> slots,
                 std::byte* out, bool& trapped) {
  switch (tiles.lane()) {
    case Lane::kBool:
      return Reduce<uint8_t>(stage, tiles, slots, out, trapped);
    case Lane::kI32:
      return Reduce<int32_t>(stage, tiles, slots, out, trapped);
    case Lane::kI64:
      return Reduce<int64_t>(stage, tiles, slots, out, trapped);
    case Lane::kFloat:
      return Reduce<float>(stage, tiles, slots, out, trapped);
    case Lane::kDouble:
      return Reduce<double>(stage, tiles, slots, out, trapped);
  }
}

void HistogramOnCpu(const Stage& stage, TiledStage& tiles, std::span<const std::byte* const> slots,
                    std::byte* out, bool& trapped) {
  switch (tiles.lane()) {
    case Lane::kI64:
      return Count<int64_t>(stage, tiles, slots, out, trapped);
    case Lane::kFloat:
      return Count<float>(stage, tiles, slots, out, trapped);
    case Lane::kDouble:
      return Count<double>(stage, tiles, slots, out, trapped);
    default:
      return Count<int32_t>(stage, tiles, slots, out, trapped);
  }
}

void MatmulOnCpu(const Stage& stage, std::span<const std::byte* const> slots, std::byte* out) {
  const Scalar scalar = stage.out.type.scalar;
  switch (LaneOf(scalar)) {
    case Lane::kI32:
      return MultiplyWhole<int32_t>(stage, slots, out);
    case Lane::kI64:
      return MultiplyWhole<int64_t>(stage, slots, out);
    case Lane::kDouble:
      return MultiplyWhole<double>(stage, slots, out);
    default:
      break;
  }
  if (scalar == Scalar::kF32) return MultiplyWhole<float>(stage, slots, out);
  const uint64_t m = stage.m, k = stage.k, n = stage.n;
  std::vector<float> a(m * k), b(k * n), sums(m * n);
  LoadLane(scalar, slots[0], 0, a.size(), reinterpret_cast<std::byte*>(a.data()));
  LoadLane(scalar, slots[1], 0, b.size(), reinterpret_cast<std::byte*>(b.data()));
  Multiply(a.data(), b.data(), m, k, n, sums.data());
  StoreLane(scalar, reinterpret_cast<const std::byte*>(sums.data()), sums.size(), out, 0);
}

void DecodeOnCpu(const Stage& stage, std::span<const std::byte* const> slots, std::byte* out) {
  const DType type = stage.slots[0].type.scalar == Scalar::kQ8 ? DType::kQ8_0 : DType::kQ4_0;
  const DTypeInfo& info = Info(type);
  std::vector<float> block(info.block_elements);
  for (uint64_t first = 0; first < stage.count; first += info.block_elements) {
    DecodeRow(type, slots[0] + first / info.block_elements * info.block_bytes, block);
    const uint64_t count = std::min<uint64_t>(info.block_elements, stage.count - first);
    std::vector<double> wide;
    const auto* lane = reinterpret_cast<const std::byte*>(block.data());
    if (stage.out.type.scalar == Scalar::kF64) {
      wide.assign(block.begin(), block.end());
      lane = reinterpret_cast<const std::byte*>(wide.data());
    }
    StoreLane(stage.out.type.scalar, lane, count, out, first);
  }
}

}  // namespace tinyai
