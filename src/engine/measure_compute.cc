#include "engine/measure_compute.h"

#include <atomic>

#include "base/checked.h"
#include "kernel/matmul.h"
#include "kernel/quantized_rows.h"
#include "os/clock.h"
#include "os/memory_region.h"
#include "os/thread.h"

namespace tinyai {
namespace {

constexpr uint64_t kCols = 2048, kRows = 128, kTokens = 64;
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

void FillActivations(std::byte* rows, uint64_t row_bytes) {
  std::vector<float> x(kCols);
  for (uint64_t i = 0; i < kCols; ++i) x[i] = static_cast<float>(i % 251) - 125;
  for (uint64_t t = 0; t < kTokens; ++t) QuantizeRow(x, rows + t * row_bytes);
}

}  // namespace

Result<double> MeasureComputeRate(Budget& budget, const std::vector<uint32_t>& cpus,
                                  std::chrono::nanoseconds duration) {
  const uint64_t row_bytes = QuantizedRowBytes(kCols);
  const Part part(row_bytes);
  TRY_ASSIGN(const MemoryRegion region,
             MemoryRegion::Allocate(budget, part.bytes * cpus.size(), "compute rate"));
  std::atomic<uint64_t> products = 0;
  const int64_t start = MonotonicNs();
  std::vector<Thread> workers;
  for (size_t i = 0; i < cpus.size(); ++i) {
    std::byte* const base = region.data() + i * part.bytes;
    FillActivations(base + part.activations, row_bytes);
    TRY_ASSIGN(workers.emplace_back(),
               Thread::Start({.name = "compute-rate", .cpu = cpus[i]}, [=, &products] {
                 const WeightRows weights{kType, base, kCols, kRows};
                 auto* const out = reinterpret_cast<float*>(base + part.out);
                 while (MonotonicNs() - start < duration.count()) {
                   MatMulQ8(weights, base + part.activations, row_bytes, kTokens, out, kRows);
                   products.fetch_add(1, std::memory_order_relaxed);
                 }
               }));
  }
  workers.clear();
  const double seconds = static_cast<double>(MonotonicNs() - start) * 1e-9;
  return static_cast<double>(products.load() * kCols * kRows * kTokens) / seconds;
}

}  // namespace tinyai
