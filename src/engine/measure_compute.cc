#include "engine/measure_compute.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/checked.h"
#include "kernel/matmul.h"
#include "kernel/quantized_rows.h"
#include "os/clock.h"
#include "os/memory_region.h"
#include "os/thread.h"
#include "run/barrier.h"

namespace tinyai {
namespace {

constexpr uint64_t kCols = 2048, kRows = 128, kTokens = 64;
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

void FillActivations(std::byte* rows, uint64_t row_bytes, uint64_t tokens) {
  std::vector<float> x(kCols);
  for (uint64_t i = 0; i < kCols; ++i) x[i] = static_cast<float>(i % 251) - 125;
  for (uint64_t t = 0; t < tokens; ++t) QuantizeRow(x, rows + t * row_bytes);
}

// How often threads on these CPUs, one each, do multiply(worker, turn) together. Who is done stops
// the barrier, so that nobody waits for it there.
template <typename Multiply>
Result<double> PerSecond(const std::vector<uint32_t>& cpus, std::chrono::nanoseconds duration,
                         Barrier& barrier, const Multiply& multiply) {
  std::atomic<uint64_t> done = 0;
  const int64_t start = MonotonicNs();
  std::vector<Thread> workers;
  for (size_t i = 0; i < cpus.size(); ++i) {
    Result<Thread> worker = Thread::Start({.name = "compute-rate", .cpu = cpus[i]}, [&, i] {
      uint64_t turn = 0;
      while (MonotonicNs() - start < duration.count()) multiply(i, turn++);
      done.fetch_add(turn, std::memory_order_relaxed);
      barrier.Stop();
    });
    if (!worker) barrier.Stop();
    TRY_ASSIGN(workers.emplace_back(), std::move(worker));
  }
  workers.clear();
  const double seconds = static_cast<double>(MonotonicNs() - start) * 1e-9;
  return static_cast<double>(done.load()) / seconds;
}

}  // namespace

Result<double> MeasureComputeRate(Budget& budget, const std::vector<uint32_t>& cpus,
                                  std::chrono::nanoseconds duration) {
  const uint64_t row_bytes = QuantizedRowBytes(kCols);
  const Part part(row_bytes);
  TRY_ASSIGN(const MemoryRegion region,
             MemoryRegion::Allocate(budget, part.bytes * cpus.size(), "compute rate"));
  for (size_t i = 0; i < cpus.size(); ++i) {
    FillActivations(region.data() + i * part.bytes + part.activations, row_bytes, kTokens);
  }
  const auto multiply = [&](size_t worker, uint64_t) {
    std::byte* const base = region.data() + worker * part.bytes;
    auto* const out = reinterpret_cast<float*>(base + part.out);
    MatMulQ8({kType, base, kCols, kRows}, base + part.activations, row_bytes, kTokens, out, kRows);
  };
  Barrier nowhere(1);
  TRY_ASSIGN(const double products, PerSecond(cpus, duration, nowhere, multiply));
  return products * static_cast<double>(kCols * kRows * kTokens);
}

Result<double> MeasureProductRate(Budget& budget, const std::vector<uint32_t>& cpus,
                                  uint64_t block_bytes, std::chrono::nanoseconds duration) {
  const uint64_t piece_bytes = RowBytes(kType, kCols) * kRows;
  const uint64_t pieces = std::max<uint64_t>(1, block_bytes / piece_bytes / cpus.size());
  const uint64_t row_bytes = QuantizedRowBytes(kCols);
  const Part part(row_bytes);  // with room for activations and results of one token
  TRY_ASSIGN(const MemoryRegion scratch,
             MemoryRegion::Allocate(budget, part.bytes * cpus.size(), "product rate"));
  TRY_ASSIGN(
      const MemoryRegion weights,
      MemoryRegion::Allocate(budget, RoundUp(pieces * piece_bytes * cpus.size(), kRegionAlignment),
                             "product rate"));
  std::memset(weights.data(), 1, weights.size());  // pages of its own, not the one of zeros
  for (size_t i = 0; i < cpus.size(); ++i) {
    FillActivations(scratch.data() + i * part.bytes + part.activations, row_bytes, 1);
  }
  // As an executor works: the threads take pieces of one product until none is left, and meet.
  const uint64_t pieces_per_product = kPiecesPerThread * cpus.size();
  Barrier barrier(static_cast<uint32_t>(cpus.size()));
  std::vector<std::atomic<uint64_t>> taken(2);
  const auto multiply = [&](size_t worker, uint64_t turn) {
    std::byte* const base = scratch.data() + worker * part.bytes;
    auto* const out = reinterpret_cast<float*>(base + part.out);
    std::atomic<uint64_t>& next = taken[turn % 2];
    for (uint64_t i = next++; i < pieces_per_product; i = next++) {
      const uint64_t piece = (turn * pieces_per_product + i) % (pieces * cpus.size());
      MatMulQ8({kType, weights.data() + piece * piece_bytes, kCols, kRows}, base + part.activations,
               row_bytes, 1, out, kRows);
    }
    barrier.Wait();
    if (worker == 0) next = 0;  // again in use after the next meeting
  };
  TRY_ASSIGN(const double products, PerSecond(cpus, duration, barrier, multiply));
  return products * static_cast<double>(piece_bytes * pieces_per_product) /
         static_cast<double>(cpus.size());
}

}  // namespace tinyai
