#include "engine/measure_compute.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/checked.h"
#include "base/row_group.h"
#include "kernel/matmul.h"
#include "kernel/quantized_rows.h"
#include "os/clock.h"
#include "os/memory_region.h"
#include "os/thread.h"
#include "run/barrier.h"

namespace tinyai {
namespace {

// A prompt's product that stays in a cache.
constexpr uint64_t kCols = 2048, kRows = 128, kTokens = 64;
// Generation's products: the rows of an 8B model, from as many bytes as a slice has to its largest
// matrix but one. Several small ones for each large one, so that both get their share of the time.
constexpr uint64_t kLongCols = 4096, kFewRows = 448, kManyRows = 14336;
constexpr uint64_t kSmallPerLarge = 16;
// As the executor divides a product.
constexpr uint64_t kPiecesPerThread = 8;
constexpr uint64_t kRegionAlignment = 4096;
constexpr DType kType = DType::kQ4_0;

// The memory of one thread: weights, activations, results.
struct Part {
  explicit Part(uint64_t row_bytes)
      : activations(RoundUp(RowBytes(kType, kCols) * kRows, 64)),
        out(activations + row_bytes * kTokens),
        bytes(RoundUp(out + kRows * kTokens * sizeof(float), kRegionAlignment)) {}
  uint64_t activations, out, bytes;
};

void FillActivations(std::byte* rows, uint64_t cols, uint64_t row_bytes, uint64_t tokens) {
  std::vector<float> x(cols);
  for (uint64_t i = 0; i < cols; ++i) x[i] = static_cast<float>(i % 251) - 125;
  for (uint64_t t = 0; t < tokens; ++t) QuantizeRow(x, rows + t * row_bytes);
}

// Lets threads on these CPUs, one each, do work(worker, turn) for so long, and returns how often
// they did together. Who is done stops the barrier, so that nobody waits for it there.
template <typename Work>
Result<uint64_t> Together(const std::vector<uint32_t>& cpus, std::chrono::nanoseconds duration,
                          Barrier& barrier, const Work& work) {
  std::atomic<uint64_t> done = 0;
  const int64_t start = MonotonicNs();
  std::vector<Thread> workers;
  for (size_t i = 0; i < cpus.size(); ++i) {
    Result<Thread> worker = Thread::Start({.name = "compute-rate", .cpu = cpus[i]}, [&, i] {
      uint64_t turn = 0;
      while (MonotonicNs() - start < duration.count()) work(i, turn++);
      done.fetch_add(turn, std::memory_order_relaxed);
      barrier.Stop();
    });
    if (!worker) barrier.Stop();
    TRY_ASSIGN(workers.emplace_back(), std::move(worker));
  }
  workers.clear();
  return done.load();
}

// Products of one size.
struct Size {
  uint64_t rows = 0;
  uint64_t count = 0;
  int64_t nanoseconds = 0;

  double seconds_each() const {
    return static_cast<double>(nanoseconds) * 1e-9 / static_cast<double>(count);
  }
};

// The line through both.
ProductRate Fit(const Size& small, const Size& large, uint64_t row_bytes) {
  const double large_bytes = static_cast<double>(large.rows * row_bytes);
  const ProductRate by_bytes{large_bytes / large.seconds_each(), 0};
  if (small.count == 0) return by_bytes;
  const double more_bytes = static_cast<double>((large.rows - small.rows) * row_bytes);
  const double more_seconds = large.seconds_each() - small.seconds_each();
  if (more_bytes <= 0 || more_seconds <= 0) return by_bytes;
  const double rate = more_bytes / more_seconds;
  const double meeting = large.seconds_each() - large_bytes / rate;
  return meeting > 0 ? ProductRate{rate, meeting} : by_bytes;
}

}  // namespace

Result<double> MeasureComputeRate(Budget& budget, const std::vector<uint32_t>& cpus,
                                  std::chrono::nanoseconds duration) {
  const uint64_t row_bytes = QuantizedRowBytes(kCols);
  const Part part(row_bytes);
  TRY_ASSIGN(const MemoryRegion region,
             MemoryRegion::Allocate(budget, part.bytes * cpus.size(), "compute rate"));
  for (size_t i = 0; i < cpus.size(); ++i) {
    FillActivations(region.data() + i * part.bytes + part.activations, kCols, row_bytes, kTokens);
  }
  const auto multiply = [&](size_t worker, uint64_t) {
    std::byte* const base = region.data() + worker * part.bytes;
    auto* const out = reinterpret_cast<float*>(base + part.out);
    MatMulQ8({kType, base, kCols, kRows}, base + part.activations, row_bytes, kTokens, out, kRows);
  };
  Barrier nowhere(1);
  const int64_t start = MonotonicNs();
  TRY_ASSIGN(const uint64_t products, Together(cpus, duration, nowhere, multiply));
  const double seconds = static_cast<double>(MonotonicNs() - start) * 1e-9;
  return static_cast<double>(products * kCols * kRows * kTokens) / seconds;
}

Result<ProductRate> MeasureProductRate(Budget& budget, const std::vector<uint32_t>& cpus,
                                       uint64_t block_bytes, std::chrono::nanoseconds duration) {
  const uint64_t row_bytes = RowBytes(kType, kLongCols);
  const uint64_t rows = std::max(kFewRows, block_bytes / row_bytes);
  Size small{kFewRows}, large{std::min(kManyRows, rows)};
  const uint64_t token_bytes = QuantizedRowBytes(kLongCols);
  const uint64_t out = RoundUp(token_bytes, kRegionAlignment);
  TRY_ASSIGN(const MemoryRegion scratch,
             MemoryRegion::Allocate(budget, out + large.rows * sizeof(float), "product rate"));
  TRY_ASSIGN(
      const MemoryRegion weights,
      MemoryRegion::Allocate(budget, RoundUp(rows * row_bytes, kRegionAlignment), "product rate"));
  std::memset(weights.data(), 1, weights.size());  // pages of its own, not the one of zeros
  FillActivations(scratch.data(), kLongCols, token_bytes, 1);
  auto* const results = reinterpret_cast<float*>(scratch.data() + out);

  Barrier barrier(static_cast<uint32_t>(cpus.size()));
  std::vector<std::atomic<uint64_t>> taken(2);
  const uint64_t pieces = kPiecesPerThread * cpus.size();
  // As an executor works: the threads take pieces of one product until none is left, and meet. The
  // products go round in memory; every thread knows which one a turn is about.
  const auto multiply = [&](size_t worker, uint64_t turn) {
    const uint64_t round = turn / (kSmallPerLarge + 1), of_round = turn % (kSmallPerLarge + 1);
    Size& size = of_round == 0 ? large : small;
    const uint64_t before = round * (large.rows + kSmallPerLarge * small.rows) +
                            (of_round == 0 ? 0 : large.rows + (of_round - 1) * small.rows);
    const uint64_t first = before % rows + size.rows <= rows ? before % rows : 0;
    const std::byte* const matrix = weights.data() + first * row_bytes;
    const uint64_t piece = RoundUp(CeilDiv(size.rows, pieces), kRowGroup);
    const int64_t start = MonotonicNs();
    std::atomic<uint64_t>& next = taken[turn % 2];
    for (uint64_t i = next++; i * piece < size.rows; i = next++) {
      const uint64_t begin = i * piece, end = std::min(size.rows, begin + piece);
      MatMulQ8({kType, matrix + begin * row_bytes, kLongCols, end - begin}, scratch.data(),
               token_bytes, 1, results + begin, size.rows);
    }
    if (!barrier.Wait() || worker != 0) return;
    next = 0;  // again in use after the next meeting
    size.nanoseconds += MonotonicNs() - start;
    ++size.count;
  };
  const int64_t start = MonotonicNs();
  TRY_ASSIGN(const uint64_t turns, Together(cpus, duration, barrier, multiply));
  if (large.count != 0) return Fit(small, large, row_bytes);
  // Not even one was done in time: so long, at least, it takes.
  const double seconds = static_cast<double>(MonotonicNs() - start) * 1e-9;
  return ProductRate{static_cast<double>(large.rows * row_bytes * std::max<uint64_t>(turns, 1)) /
                         (seconds * static_cast<double>(cpus.size())),
                     0};
}

}  // namespace tinyai
