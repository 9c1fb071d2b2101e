// Times single layers of nets. Reads one layer a line from stdin and answers with one line of
// numbers: for each repetition its seconds, and those that the calling thread had a core:
//
//   conv IN OUT GROUPS ROWS COLS SIZE STRIDE DILATION PAD TRANSPOSED THREADS REPETITIONS
//   dense IN OUT TOKENS THREADS REPETITIONS
//
// bench/layers.py asks it and the peer in turns. TINYAI_ISA chooses the instruction set.

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <new>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "kernel/conv_pieces.h"
#include "kernel/isa.h"
#include "kernel/matmul.h"

namespace tinyai {
namespace {

struct AlignedFloats {
  explicit AlignedFloats(uint64_t count, uint32_t seed = 1)
      : data(new (std::align_val_t(64)) float[count]), size(count) {
    std::mt19937 random(seed);
    for (uint64_t i = 0; i < count; ++i) {
      data[i] = static_cast<float>(static_cast<int32_t>(random())) * 0x1p-31f;
    }
  }
  ~AlignedFloats() { operator delete[](data, std::align_val_t(64)); }
  AlignedFloats(const AlignedFloats&) = delete;
  AlignedFloats& operator=(const AlignedFloats&) = delete;

  float* data;
  uint64_t size;
};

// The data of the layer asked for last, kept for the next question: making it anew would use up
// time that the scheduler then gives to others.
AlignedFloats& Kept(size_t slot, uint64_t count) {
  static std::array<std::unique_ptr<AlignedFloats>, 4> slots;
  std::unique_ptr<AlignedFloats>& kept = slots[slot];
  if (kept == nullptr || kept->size != count) {
    kept = std::make_unique<AlignedFloats>(count, static_cast<uint32_t>(slot));
  }
  return *kept;
}

// Pieces of work that up to two threads take as they come. The first one never waits for the second
// to begin: where that has no core, it does everything itself. Both wait by spinning, as cheaply as
// any engine's threads, each on a core of its own like the workers of a session.
// `work(thread, piece)`.
class Pair {
 public:
  Pair(int pieces, std::function<void(int, int)> work) : pieces_(pieces), work_(std::move(work)) {
    StayOn(0);
    thread_ = std::thread([this] { Serve(); });
    while (!is_there_) std::this_thread::yield();
  }
  ~Pair() {
    stop_ = true;
    thread_.join();
  }
  void Run() {
    done_ = 0;
    next_ = 0;  // from here on the other one may take pieces
    Take(0);
    while (done_.load() != pieces_) __builtin_ia32_pause();
  }

 private:
  void Take(int thread) {
    for (int piece = next_++; piece < pieces_; piece = next_++) {
      work_(thread, piece);
      ++done_;
    }
  }
  static void StayOn(int core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores);
  }
  void Serve() {
    StayOn(1);
    is_there_ = true;
    while (!stop_) {
      if (next_.load() < pieces_) Take(1);
      __builtin_ia32_pause();
    }
  }
  const int pieces_;
  std::function<void(int, int)> work_;
  std::atomic<int> next_{1 << 30}, done_{0};
  std::atomic<bool> stop_{false}, is_there_{false};
  std::thread thread_;
};

// Piece `index` of `pieces`, cut at multiples of `step`.
IndexRange PieceOf(uint64_t size, int pieces, int index, uint64_t step) {
  const auto cut = [&](int i) {
    const uint64_t at = size * static_cast<uint64_t>(i) / static_cast<uint64_t>(pieces);
    return i == pieces ? size : std::min((at + step - 1) / step * step, size);
  };
  return {cut(index), cut(index + 1)};
}

double CpuSeconds() {  // of this thread
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Both times of each repetition, after one that is not counted. One thread takes the work in one
// piece.
std::vector<double> Time(uint64_t threads, int pieces, int repetitions,
                         const std::function<void(int thread, int piece, int pieces)>& work) {
  std::vector<double> seconds;
  const auto measure = [&](const std::function<void()>& run) {
    run();
    for (int r = 0; r < repetitions; ++r) {
      const double cpu_begin = CpuSeconds();
      const auto begin = std::chrono::steady_clock::now();
      run();
      const auto end = std::chrono::steady_clock::now();
      seconds.push_back(std::chrono::duration<double>(end - begin).count());
      seconds.push_back(CpuSeconds() - cpu_begin);
    }
  };
  if (threads == 1) {
    measure([&] { work(0, 0, 1); });
  } else {
    Pair pair(pieces, [&](int thread, int piece) { work(thread, piece, pieces); });
    measure([&] { pair.Run(); });
  }
  return seconds;
}

WindowAxis Axis(uint64_t in, uint64_t size, uint64_t stride, uint64_t dilation, uint64_t pad,
                bool transposed) {
  const uint64_t reach = (size - 1) * dilation + 1;
  const uint64_t out =
      transposed ? (in - 1) * stride + reach - 2 * pad : (in + 2 * pad - reach) / stride + 1;
  return {in, out, size, stride, dilation, pad};
}

// Of two threads, as an executor wants them.
constexpr int kPieces = 8;

std::vector<double> RunConv(std::istream& in) {
  uint64_t channels, outs, groups, rows, cols, size, stride, dilation, pad, transposed, threads;
  int repetitions;
  in >> channels >> outs >> groups >> rows >> cols >> size >> stride >> dilation >> pad >>
      transposed >> threads >> repetitions;
  const ConvShape shape = {channels,
                           outs,
                           groups,
                           Axis(rows, size, stride, dilation, pad, transposed != 0),
                           Axis(cols, size, stride, dilation, pad, transposed != 0),
                           transposed != 0};
  const AlignedFloats &x = Kept(1, channels * rows * cols),
                      &weights = Kept(2, outs * shape.WeightCols()), &bias = Kept(3, outs);
  const uint64_t plane = shape.rows.out * shape.cols.out;
  const AlignedFloats& out = Kept(0, outs * plane);
  const uint64_t bytes = ConvWorkspaceBytes(shape, DType::kF32);
  AlignedFloats workspace(threads * bytes / 4);
  // As an executor divides it.
  const ConvPieces pieces = DivideConv(shape, {0, outs}, threads, kPieces);
  const auto count = static_cast<int>(pieces.count());
  return Time(threads, count, repetitions, [&](int thread, int piece, int) {
    const MapPart part = pieces.Piece(static_cast<uint64_t>(piece));
    const uint64_t cols_of_weights = shape.WeightCols();
    Conv(shape, {x.data, rows * cols, 0},
         {DType::kF32,
          reinterpret_cast<const std::byte*>(weights.data + part.channels.first * cols_of_weights),
          cols_of_weights, part.channels.size()},
         bias.data + part.channels.first, part,
         {reinterpret_cast<std::byte*>(workspace.data) + static_cast<uint64_t>(thread) * bytes,
          bytes},
         {out.data + part.channels.first * plane + part.rows.first * shape.cols.out, plane});
  });
}

std::vector<double> RunDense(std::istream& in) {
  uint64_t ins, outs, tokens, threads;
  int repetitions;
  in >> ins >> outs >> tokens >> threads >> repetitions;
  const AlignedFloats &x = Kept(1, tokens * ins), &weights = Kept(2, outs * ins),
                      &out = Kept(0, tokens * outs);
  return Time(threads, kPieces, repetitions, [&](int, int piece, int count) {
    const IndexRange rows = PieceOf(outs, count, piece, 32);
    MatMulF32({DType::kF32, reinterpret_cast<const std::byte*>(weights.data + rows.first * ins),
               ins, rows.size()},
              x.data, ins, tokens, out.data + rows.first, outs);
  });
}

}  // namespace
}  // namespace tinyai

int main() {
  if (const char* isa = std::getenv("TINYAI_ISA"); isa != nullptr) {
    if (const tinyai::Status status = tinyai::UseIsa(isa); !status.has_value()) {
      std::fprintf(stderr, "%s\n", tinyai::Describe(status.error()).c_str());
      return 6;
    }
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    std::string kind;
    in >> kind;
    const std::vector<double> seconds = kind == "conv" ? tinyai::RunConv(in) : tinyai::RunDense(in);
    for (const double s : seconds) std::printf("%.9g ", s);
    std::printf("\n");
    std::fflush(stdout);
  }
}
