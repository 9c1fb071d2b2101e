#include "os/measure.h"

#include <algorithm>
#include <atomic>
#include <numeric>

#include "base/checked.h"
#include "os/clock.h"
#include "os/cpu_mask.h"
#include "os/memory_region.h"
#include "os/read_queue.h"
#include "os/thread.h"

namespace tinyai {
namespace {

constexpr uint64_t kPage = 4096;
constexpr std::chrono::seconds kReadTimeout(60);

// Four sums, so that the additions do not wait for each other.
uint64_t SumOf(const uint64_t* data, size_t size) {
  uint64_t sums[4] = {};
  for (size_t i = 0; i + 4 <= size; i += 4) {
    for (size_t lane = 0; lane < 4; ++lane) sums[lane] += data[i + lane];
  }
  return sums[0] + sums[1] + sums[2] + sums[3];
}

// Blocks of a file in an order in which neighbours lie far apart: f, f + s, f + 2s, ... modulo
// their number, with s prime to it.
class ScatteredBlocks {
 public:
  ScatteredBlocks(const File& file, uint64_t block_bytes, uint64_t seed)
      : block_bytes_(std::min(block_bytes, RoundUp(file.size(), kPage))),
        count_(std::max<uint64_t>(file.size() / block_bytes_, 1)),
        step_(std::max<uint64_t>(count_ * 382 / 1000, 1)) {
    while (std::gcd(step_, count_) != 1) ++step_;
    position_ = (seed * 0x9E3779B97F4A7C15) % count_;
  }
  uint64_t block_bytes() const { return block_bytes_; }
  uint64_t left() const { return count_ - taken_; }
  uint64_t NextOffset() {
    const uint64_t offset = position_ * block_bytes_;
    position_ = (position_ + step_) % count_;
    ++taken_;
    return offset;
  }

 private:
  uint64_t block_bytes_, count_, step_;
  uint64_t position_, taken_ = 0;
};

// A queue over one file with buffers for as many blocks as it has in flight.
class BlockReader {
 public:
  static Result<BlockReader> Open(Budget& budget, const File& file, IoPath path, uint32_t depth,
                                  uint64_t block_bytes, SystemCalls& system) {
    const File* const files[] = {&file};
    BlockReader reader(file, block_bytes);
    TRY_ASSIGN(reader.queue_, OpenReadQueue(files, {.path = path, .depth = depth}, system));
    TRY_ASSIGN(reader.buffers_, MemoryRegion::Allocate(budget, reader.queue_->depth() * block_bytes,
                                                       "disk buffers"));
    TRY(reader.buffers_.Populate(0, reader.buffers_.size()));
    return reader;
  }
  BlockReader(BlockReader&&) = default;
  BlockReader& operator=(BlockReader&&) = delete;
  ~BlockReader() {
    if (queue_ && !queue_->Stop(std::chrono::milliseconds(200))) buffers_.Leak();
  }

  IoPath path() const { return queue_->path(); }

  // Reads up to `most_blocks` of `blocks`, at least one, starting none after `duration`.
  Result<DiskRate> Read(ScatteredBlocks& blocks, uint64_t most_blocks,
                        std::chrono::nanoseconds duration);

 private:
  BlockReader(const File& file, uint64_t block_bytes) : file_(&file), block_bytes_(block_bytes) {}
  Status Submit(uint64_t offset, uint64_t buffer);

  const File* file_;
  uint64_t block_bytes_;
  MemoryRegion buffers_;
  std::unique_ptr<ReadQueue> queue_;
};

Status BlockReader::Submit(uint64_t offset, uint64_t buffer) {
  if (path() == IoPath::kBuffered) {
    DropCached(file_->descriptor(), file_->begin() + offset, block_bytes_);
  }
  return queue_->Submit({.offset = offset,
                         .data = buffers_.data() + buffer * block_bytes_,
                         .size = block_bytes_,
                         .tag = buffer});
}

Result<DiskRate> BlockReader::Read(ScatteredBlocks& blocks, uint64_t most_blocks,
                                   std::chrono::nanoseconds duration) {
  DiskRate rate = {.path = path()};
  uint64_t left = std::min(most_blocks, blocks.left());
  const int64_t start = MonotonicNs();
  for (uint64_t buffer = 0; buffer < queue_->depth() && left > 0; ++buffer, --left) {
    TRY(Submit(blocks.NextOffset(), buffer));
  }
  while (queue_->in_flight() > 0) {
    TRY_ASSIGN(const uint64_t buffer, queue_->Wait(kReadTimeout));
    rate.bytes += std::min(block_bytes_, file_->size());
    if (left > 0 && MonotonicNs() - start < duration.count()) {
      TRY(Submit(blocks.NextOffset(), buffer));
      --left;
    }
  }
  rate.seconds = static_cast<double>(std::max<int64_t>(MonotonicNs() - start, 1)) * 1e-9;
  rate.bytes_per_second = static_cast<double>(rate.bytes) / rate.seconds;
  return rate;
}

Status CheckNotEmpty(const File& file) {
  if (file.size() != 0) return {};
  return FailAt(ErrorCode::kBadFile, "BAD_FILE_SIZE", "an empty file has no rate", file.path());
}

void Add(DiskRate& sum, const DiskRate& part) {
  sum.path = part.path;
  sum.bytes += part.bytes;
  sum.seconds += part.seconds;
  sum.bytes_per_second = static_cast<double>(sum.bytes) / sum.seconds;
}

}  // namespace

Result<double> MeasureMemoryRate(Budget& budget, uint32_t threads, uint64_t bytes,
                                 std::chrono::nanoseconds duration) {
  TRY_ASSIGN(MemoryRegion region, MemoryRegion::Allocate(budget, bytes, "memory rate"));
  TRY(region.Populate(0, region.size()));
  TRY_ASSIGN(const std::vector<uint32_t> cpus, ChooseCpus({}, std::max(threads, 1u)));
  const uint64_t share = RoundDown(region.size() / cpus.size(), 64);
  std::atomic<uint64_t> bytes_read = 0, result = 0;
  const int64_t start = MonotonicNs();
  std::vector<Thread> workers;
  for (size_t i = 0; i < cpus.size(); ++i) {
    const auto* const data = reinterpret_cast<const uint64_t*>(region.data() + i * share);
    TRY_ASSIGN(workers.emplace_back(),
               Thread::Start({.name = "memory-rate", .cpu = cpus[i]}, [=, &bytes_read, &result] {
                 do {
                   result += SumOf(data, share / sizeof(uint64_t));
                   bytes_read += share;
                 } while (MonotonicNs() - start < duration.count());
               }));
  }
  workers.clear();
  return static_cast<double>(bytes_read.load()) /
         (static_cast<double>(MonotonicNs() - start) * 1e-9);
}

Result<DiskRate> MeasureDiskRate(Budget& budget, const File& file, const DiskRateOptions& options) {
  TRY(CheckNotEmpty(file));
  ScatteredBlocks blocks(file, options.block_bytes, options.seed);
  TRY_ASSIGN(BlockReader reader, BlockReader::Open(budget, file, options.path, options.depth,
                                                   blocks.block_bytes(), SystemCalls::Real()));
  return reader.Read(blocks, std::max<uint64_t>(options.most_bytes / blocks.block_bytes(), 1),
                     options.duration);
}

Result<double> MeasureRequestSeconds(Budget& budget, const File& file, IoPath path, uint64_t bytes,
                                     uint32_t samples, uint64_t seed) {
  TRY(CheckNotEmpty(file));
  ScatteredBlocks blocks(file, bytes, seed);
  TRY_ASSIGN(BlockReader reader,
             BlockReader::Open(budget, file, path, 1, blocks.block_bytes(), SystemCalls::Real()));
  std::vector<double> seconds;
  while (seconds.size() < std::max(samples, 1u) && blocks.left() > 0) {
    TRY_ASSIGN(const DiskRate rate, reader.Read(blocks, 1, kReadTimeout));
    seconds.push_back(rate.seconds);
  }
  const auto middle = seconds.begin() + static_cast<ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

Result<PathChoice> ChoosePath(Budget& budget, const File& file, uint32_t depth,
                              SystemCalls& system) {
  constexpr uint64_t kProbeBlock = 1 << 20, kMostBytes = 64 << 20, kBlocksPerTurn = 4;
  constexpr std::chrono::milliseconds kMostTime(55);
  TRY(CheckNotEmpty(file));
  const int64_t start = MonotonicNs();
  const auto time_left = [&] {
    return kMostTime - std::chrono::nanoseconds(MonotonicNs() - start);
  };
  ScatteredBlocks blocks(file, kProbeBlock, static_cast<uint64_t>(start));
  std::vector<BlockReader> readers;
  PathChoice choice;
  for (const IoPath path : {IoPath::kUring, IoPath::kDirect, IoPath::kBuffered}) {
    TRY_ASSIGN(BlockReader reader,
               BlockReader::Open(budget, file, path, depth, blocks.block_bytes(), system));
    if (reader.path() != path) continue;  // it fell back to one that comes anyway
    readers.push_back(std::move(reader));
    choice.rates.push_back({.path = path});
  }
  // In turns, because disks change their speed while one looks. The first turn only warms up,
  // unless it used up the time.
  for (uint64_t turn = 0, bytes = 0; turn == 0 || time_left().count() > 0; ++turn) {
    const uint64_t most_blocks = turn == 0 ? 1 : kBlocksPerTurn;
    const uint64_t turn_blocks = most_blocks * readers.size();
    if (blocks.left() < turn_blocks || bytes + turn_blocks * kProbeBlock > kMostBytes) break;
    for (size_t i = 0; i < readers.size(); ++i) {
      const auto share = time_left() / static_cast<int64_t>(readers.size() - i);
      TRY_ASSIGN(const DiskRate rate, readers[i].Read(blocks, most_blocks, share));
      if (turn == 1) choice.rates[i] = {.path = rate.path};
      Add(choice.rates[i], rate);
      bytes += rate.bytes;
    }
  }
  double best = 0;
  for (const DiskRate& rate : choice.rates) best = std::max(best, rate.bytes_per_second);
  for (const DiskRate& rate : choice.rates) {
    if (rate.bytes_per_second < best * 0.95) continue;
    choice.path = rate.path;
    break;
  }
  return choice;
}

}  // namespace tinyai
