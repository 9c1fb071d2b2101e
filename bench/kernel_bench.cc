// Speed of single kernels on one thread, to be held against what memory delivers
// (BM_ReadMemory, same program). Weights "in cache" are 512 KiB, "in memory" 256 MiB.
//
//   kernel_bench --benchmark_filter=Q4_0 --benchmark_repetitions=5
//   TINYAI_ISA=avx2 kernel_bench ...

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "benchmark/benchmark.h"
#include "kernel/attention.h"
#include "kernel/elementwise.h"
#include "kernel/isa.h"
#include "kernel/matmul.h"
#include "kernel/quantized_rows.h"
#include "kernel/sparse_rows.h"

namespace tinyai {
namespace {

constexpr uint64_t kCols = 4096;
constexpr uint64_t kCacheBytes = 512 << 10;
constexpr uint64_t kMemoryBytes = 256 << 20;

struct Aligned {
  explicit Aligned(uint64_t size)
      : bytes(new (std::align_val_t(64)) std::byte[size]), size_bytes(size) {}
  ~Aligned() { operator delete[](bytes, std::align_val_t(64)); }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;

  static constexpr std::align_val_t kHugePage{2 << 20};
  std::byte* bytes;
  uint64_t size_bytes;
};

// Bytes whose 16-bit halves are small finite binary16 numbers, so no product is a NaN.
void FillWeights(Aligned& to) {
  uint32_t state = 1;
  for (uint64_t i = 0; i + 1 < to.size_bytes; i += 2) {
    state = state * 1664525 + 1013904223;
    const uint16_t half = static_cast<uint16_t>(0x0800 | (state >> 16 & 0x23FF));
    std::memcpy(to.bytes + i, &half, sizeof(half));
  }
}

std::vector<float> Floats(uint64_t size) {
  std::vector<float> x(size);
  uint32_t state = 7;
  for (float& v : x) {
    state = state * 1664525 + 1013904223;
    v = static_cast<float>(static_cast<int32_t>(state)) * 0x1p-31f;
  }
  return x;
}

// The limit of any product with one token: how fast one thread reads.
void BM_ReadMemory(benchmark::State& state) {
  Aligned data(static_cast<uint64_t>(state.range(0)));
  FillWeights(data);
  const uint64_t lines = data.size_bytes / 64;
  for (auto _ : state) {
    uint64_t sum[8] = {};
    for (uint64_t i = 0; i < lines; ++i) {
      uint64_t line[8];
      std::memcpy(line, data.bytes + i * 64, sizeof(line));
      for (int k = 0; k < 8; ++k) sum[k] |= line[k];
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * data.size_bytes));
}
BENCHMARK(BM_ReadMemory)->Arg(kCacheBytes)->Arg(kMemoryBytes)->Unit(benchmark::kMicrosecond);

struct Shape {
  DType type;
  bool in_cache;
  bool quantised;
  Tiling tiling = {};
};

void Product(benchmark::State& state, Shape shape) {
  const auto tokens = static_cast<uint64_t>(state.range(0));
  const uint64_t row_bytes = RowBytes(shape.type, kCols);
  // Many tokens take long on all of memory and do not wait for it.
  const uint64_t bytes = shape.in_cache ? kCacheBytes : tokens == 1 ? kMemoryBytes : 8 << 20;
  const uint64_t rows = bytes / row_bytes / 32 * 32;
  Aligned weights(rows * row_bytes);
  FillWeights(weights);
  const std::vector<float> x = Floats(kCols * tokens);
  const uint64_t stride = QuantizedRowBytes(kCols);
  Aligned quantised(stride * tokens);
  for (uint64_t t = 0; t < tokens; ++t) {
    QuantizeRow(std::span(x).subspan(t * kCols, kCols), quantised.bytes + t * stride);
  }
  std::vector<float> out(rows * tokens);
  for (auto _ : state) {
    const WeightRows matrix = {shape.type, weights.bytes, kCols, rows};
    if (shape.quantised) {
      MatMulQ8(matrix, quantised.bytes, stride, tokens, out.data(), rows, shape.tiling);
    } else {
      MatMulF32(matrix, x.data(), kCols, tokens, out.data(), rows, shape.tiling);
    }
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  const auto runs = static_cast<double>(state.iterations());
  state.counters["GMAC/s"] = benchmark::Counter(
      runs * static_cast<double>(rows * kCols * tokens) * 1e-9, benchmark::Counter::kIsRate);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * weights.size_bytes));
}

// One token times a matrix of 256 MiB of floats of which range(0) per cent are there: 0 stands for
// all of them as ordinary rows. The rate counts products with the zeros.
void BM_Pruned(benchmark::State& state, DType type) {
  const auto percent = static_cast<uint64_t>(state.range(0));
  const uint64_t row_bytes = RowBytes(type, kCols), rows = kMemoryBytes / row_bytes;
  const uint64_t element = row_bytes / kCols;
  Aligned weights(kMemoryBytes);
  FillWeights(weights);
  WeightRows matrix = {type, weights.bytes, kCols, rows};
  std::vector<std::byte> packed, row(MostSparseRowBytes(type, kCols));
  if (percent != 0) {
    uint32_t random = 1;
    for (uint64_t i = 0; i < rows * kCols; ++i) {
      random = random * 1664525 + 1013904223;
      if ((random >> 16) % 100 >= percent) std::memset(weights.bytes + i * element, 0, element);
    }
    for (uint64_t r = 0; r < rows; ++r) {
      matrix.sparse_row_bytes =
          std::max(matrix.sparse_row_bytes,
                   PackSparseRow(type, kCols, weights.bytes + r * row_bytes, row.data()));
    }
    packed.resize(rows * matrix.sparse_row_bytes);
    for (uint64_t r = 0; r < rows; ++r) {
      PackSparseRow(type, kCols, weights.bytes + r * row_bytes, row.data());
      std::memcpy(packed.data() + r * matrix.sparse_row_bytes, row.data(), matrix.sparse_row_bytes);
    }
    matrix.data = packed.data();
  }
  const std::vector<float> x = Floats(kCols);
  std::vector<float> out(rows);
  for (auto _ : state) {
    MatMulF32(matrix, x.data(), kCols, 1, out.data(), rows);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.counters["GMAC/s"] = benchmark::Counter(
      static_cast<double>(state.iterations() * rows * kCols) * 1e-9, benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(BM_Pruned, F32, DType::kF32)->Arg(0)->Arg(50)->Arg(25)->Arg(10);
BENCHMARK_CAPTURE(BM_Pruned, F16, DType::kF16)->Arg(0)->Arg(50)->Arg(25)->Arg(10);

void BM_QuantizeRow(benchmark::State& state) {
  const std::vector<float> x = Floats(static_cast<uint64_t>(state.range(0)));
  Aligned row(QuantizedRowBytes(x.size()));
  for (auto _ : state) {
    QuantizeRow(x, row.bytes);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * x.size() * sizeof(float)));
}
BENCHMARK(BM_QuantizeRow)->Arg(4096)->Arg(14336);

void BM_RmsNorm(benchmark::State& state) {
  const std::vector<float> x = Floats(static_cast<uint64_t>(state.range(0)));
  std::vector<float> out(x.size());
  for (auto _ : state) {
    RmsNorm(x, x, 1e-5f, out);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * x.size() * sizeof(float)));
}
BENCHMARK(BM_RmsNorm)->Arg(4096);

void BM_SiluMul(benchmark::State& state) {
  const std::vector<float> x = Floats(static_cast<uint64_t>(state.range(0)));
  std::vector<float> gate = x;
  for (auto _ : state) {
    SiluMul(gate, x);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * x.size() * sizeof(float)));
}
BENCHMARK(BM_SiluMul)->Arg(14336);

// Four query heads of 128 over a cache of range(1) positions; the rate counts the cache's bytes.
void BM_Attend(benchmark::State& state, DType type) {
  constexpr uint64_t kDim = 128, kGroup = 4;
  const auto positions = static_cast<uint64_t>(state.range(0));
  const uint64_t row = RowBytes(type, kDim);
  Aligned keys(row * positions), values(row * positions);
  const std::vector<float> x = Floats(kDim);
  for (uint64_t p = 0; p < positions; ++p) {
    EncodeRow(x.data(), kDim, type, keys.bytes + p * row);
    EncodeRow(x.data(), kDim, type, values.bytes + p * row);
  }
  const std::vector<float> q = Floats(kDim * kGroup);
  std::vector<float> scores(kGroup * positions), out(kDim * kGroup);
  for (auto _ : state) {
    Attend(q.data(), kGroup, kDim, {type, type, keys.bytes, values.bytes}, 0, positions, 0.1f,
           scores.data(), out.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * 2 * row * positions));
}
BENCHMARK_CAPTURE(BM_Attend, F16, DType::kF16)->Arg(512)->Arg(8192);
BENCHMARK_CAPTURE(BM_Attend, Q8_0, DType::kQ8_0)->Arg(512)->Arg(8192);
BENCHMARK_CAPTURE(BM_Attend, F32, DType::kF32)->Arg(512);

void RegisterProducts() {
  constexpr DType kTypes[] = {DType::kQ4_0, DType::kQ8_0, DType::kQ4_K, DType::kQ6_K,
                              DType::kQ5_K, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                              DType::kInt2, DType::kF16,  DType::kBF16, DType::kF32};
  for (const bool quantised : {true, false}) {
    for (const DType type : kTypes) {
      if (quantised && Info(type).block_elements == 1) continue;
      for (const bool in_cache : {true, false}) {
        const std::string name = std::string(quantised ? "BM_MatMulQ8/" : "BM_MatMulF32/") +
                                 std::string(Name(type)) + (in_cache ? "/cache" : "/memory");
        benchmark::RegisterBenchmark(name.c_str(), Product, Shape{type, in_cache, quantised})
            ->Arg(1)
            ->Arg(4)
            ->Arg(64)
            ->Unit(benchmark::kMicrosecond);
      }
    }
  }
}

// The same in blocks of rows and tokens, where they matter: many tokens; and with weights asked for
// so many lines ahead, where that does: one token.
void RegisterTilings() {
  for (const DType type : {DType::kQ4_0, DType::kF32}) {
    const bool quantised = type == DType::kQ4_0;
    const std::string name(Name(type));
    for (const uint64_t block : {0, 16, 32, 64, 128, 256, 512}) {
      benchmark::RegisterBenchmark(("BM_Block/" + name + "/" + std::to_string(block)).c_str(),
                                   Product, Shape{type, false, quantised, {.block = block}})
          ->Arg(512)
          ->Unit(benchmark::kMicrosecond);
    }
    for (const uint64_t lines : {0, 8, 64, 256, 1024, 4096, -1}) {
      const uint64_t bytes = lines == Tiling::kNextTile ? lines : lines * 64;
      benchmark::RegisterBenchmark(("BM_Prefetch/" + name + "/" +
                                    (bytes == Tiling::kNextTile ? "tile" : std::to_string(lines)))
                                       .c_str(),
                                   Product,
                                   Shape{type, false, quantised, {.prefetch_bytes = bytes}})
          ->Arg(1)
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace
}  // namespace tinyai

int main(int argc, char** argv) {
  if (const char* isa = std::getenv("TINYAI_ISA"); isa != nullptr) {
    if (const tinyai::Status status = tinyai::UseIsa(isa); !status.has_value()) {
      std::fprintf(stderr, "%s\n", tinyai::Describe(status.error()).c_str());
      return 6;
    }
  }
  std::printf("instruction set: %s\n", tinyai::ActiveIsa().c_str());
  tinyai::RegisterProducts();
  tinyai::RegisterTilings();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
