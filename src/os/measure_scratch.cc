#include "os/measure_scratch.h"

#include <algorithm>
#include <span>

#include "os/clock.h"
#include "os/incompressible.h"
#include "os/memory_region.h"
#include "os/scratch_file.h"

namespace tinyai {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{4} << 20;
constexpr uint64_t kPieces = 4;

}  // namespace

Result<ScratchRate> MeasureScratchRate(Budget& budget) {
  TRY_ASSIGN(const MemoryRegion memory,
             MemoryRegion::Allocate(budget, kPieceBytes, "measuring the disk"));
  TRY_ASSIGN(const std::unique_ptr<ScratchFile> file, ScratchFile::Create(kPieces * kPieceBytes));
  const std::span<std::byte> piece(memory.data(), kPieceBytes);
  uint64_t state = 1;
  FillIncompressible(piece, state);
  const auto rate = [](int64_t begin_ns) {
    const int64_t ns = std::max<int64_t>(1, MonotonicNs() - begin_ns);
    return static_cast<double>(kPieces * kPieceBytes) / (static_cast<double>(ns) * 1e-9);
  };
  ScratchRate out;
  int64_t begin_ns = MonotonicNs();
  for (uint64_t i = 0; i < kPieces; ++i) TRY(file->WriteBlocks(i * kPieceBytes, piece));
  out.write_bytes_per_second = rate(begin_ns);
  begin_ns = MonotonicNs();
  for (uint64_t i = 0; i < kPieces; ++i) TRY(file->ReadBlocks(i * kPieceBytes, piece));
  out.read_bytes_per_second = rate(begin_ns);
  return out;
}

}  // namespace tinyai
