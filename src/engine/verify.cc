#include "engine/verify.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "base/checked.h"
#include "base/dtype.h"
#include "fmt/format.h"
#include "format/block_checker.h"
#include "kernel/matmul.h"
#include "kernel/sparse_rows.h"

namespace tinyai {
namespace {

// Whole blocks of every type; a piece is at most 2 MiB in the file and as much decoded at once.
constexpr uint64_t kPieceElements = 512 << 10;
constexpr uint64_t kDecodedElements = 16 << 10;
static_assert(kPieceElements % kDecodedElements == 0 && kDecodedElements % 256 == 0);
constexpr uint64_t kPieceBytes = kPieceElements * sizeof(float);
constexpr uint64_t kBlock = BlockChecksums::kBlockBytes;
constexpr uint64_t kBufferBytes = kPieceBytes + 2 * kBlock;  // with whole blocks at both ends

// How a tensor is gone through: in pieces of whole units, each of so many elements and bytes.
struct Units {
  uint64_t count, elements, bytes;
  bool sparse;  // a unit is a row (kernel/sparse_rows.h), else a block

  static Units Of(const TensorInfo& tensor) {
    const DTypeInfo& info = Info(tensor.type);
    const uint64_t rows = tensor.dims[1] * tensor.dims[2] * tensor.dims[3];
    const uint64_t cols = tensor.dims[0];
    if (tensor.bytes < rows * RowBytes(tensor.type, cols)) {
      return {rows, cols, tensor.bytes / rows, true};
    }
    return {tensor.bytes / info.block_bytes, info.block_elements, info.block_bytes, false};
  }
  uint64_t in_piece() const {
    return sparse ? std::max<uint64_t>(1, kPieceBytes / bytes) : kPieceElements / elements;
  }
  uint64_t OffsetOf(const TensorInfo& tensor, uint64_t element) const {
    return tensor.offset + element / elements * bytes;
  }
};

class TensorScanner {
 public:
  TensorScanner() : bytes_(kBufferBytes), decoded_(kDecodedElements) {}

  std::span<std::byte> BufferFor(uint64_t size) { return std::span(bytes_).first(size); }
  // `bytes` are in the buffer, as read from the file for `count` units from `first` on.
  void Scan(const TensorInfo& tensor, const Units& units, const std::byte* bytes, uint64_t first,
            uint64_t count, TensorDefect& defect) {
    if (units.sparse) return ScanRows(tensor, units, bytes, first, count, defect);
    const uint64_t elements = count * units.elements;
    for (uint64_t done = 0; done < elements; done += kDecodedElements) {
      const std::span<float> out =
          std::span(decoded_).first(std::min(kDecodedElements, elements - done));
      DecodeRow(tensor.type, bytes + RowBytes(tensor.type, done), out);
      Count(out, first * units.elements + done, defect);
    }
  }

 private:
  void ScanRows(const TensorInfo& tensor, const Units& units, const std::byte* bytes,
                uint64_t first, uint64_t rows, TensorDefect& defect) {
    const uint64_t cols = units.elements;
    std::array<std::byte, kSparseRun * sizeof(float)> run;
    for (uint64_t row = first; row < first + rows; ++row, bytes += units.bytes) {
      for (uint64_t col = 0; col < cols; col += kSparseRun) {
        const std::span<float> out = std::span(decoded_).first(std::min(kSparseRun, cols - col));
        UnpackSparseRun(tensor.type, cols, {bytes, units.bytes}, col, run.data());
        DecodeRow(tensor.type, run.data(), out);
        Count(out, row * cols + col, defect);
      }
    }
  }
  static void Count(std::span<const float> values, uint64_t first, TensorDefect& defect) {
    constexpr uint32_t kExponent = 0x7F800000, kFraction = 0x007FFFFF;
    // Finite numbers, the usual case, take one pass that the compiler makes wide.
    uint32_t bad = 0;
    for (const float value : values) {
      bad += (std::bit_cast<uint32_t>(value) & kExponent) == kExponent;
    }
    if (bad == 0) return;
    for (size_t i = 0; i < values.size(); ++i) {
      const uint32_t bits = std::bit_cast<uint32_t>(values[i]);
      if ((bits & kExponent) != kExponent) continue;
      if (defect.nans + defect.infinities == 0) defect.first_element = first + i;
      ++((bits & kFraction) != 0 ? defect.nans : defect.infinities);
    }
  }

  std::vector<std::byte> bytes_;
  std::vector<float> decoded_;
};

// Compares every block of `data`, read from byte `offset`, with its checksum; where one is damaged,
// what it would decode to says nothing.
Status CheckBlocks(BlockChecker& checker, uint64_t offset, std::span<const std::byte> data,
                   TensorDefect& defect) {
  for (uint64_t at = 0; at < data.size(); at += kBlock) {
    const Status checked = checker.Check(offset + at, data.subspan(at, kBlock));
    if (checked) continue;
    if (checked.error().key != "TMAI_CHECKSUM") return checked;
    if (defect.bad_blocks++ > 0) continue;
    defect.first_bad_offset = offset + at;
    defect.first_bad_block = (offset + at) / kBlock - 1;  // the header is one too
  }
  return {};
}

}  // namespace

Result<VerifyReport> VerifyTensors(const ModelFile& file,
                                   std::span<const ByteSource* const> sources, Budget& budget,
                                   const std::function<bool(const VerifyProgress&)>& progress) {
  const uint64_t checker_bytes = file.checksums ? BlockChecker::MemoryBytes(*file.checksums) : 0;
  const uint64_t memory_bytes = kBufferBytes + kDecodedElements * sizeof(float) + checker_bytes;
  TRY_ASSIGN(const Charge charge, Charge::Take(budget, memory_bytes, "verify"));
  TensorScanner scanner;
  std::optional<BlockChecker> checker;
  if (file.checksums) checker.emplace(file, *sources[0]);
  VerifyReport report;
  const uint64_t all_bytes = file.TensorBytes();
  for (const TensorInfo& tensor : file.tensors) {
    TensorDefect defect{.tensor = tensor.name, .part = tensor.part};
    const Units units = Units::Of(tensor);
    if (units.sparse && !HasSparseRows(tensor.type)) {
      return FailAt(ErrorCode::kBadFile, "TMAI_TABLE",
                    fmt::format("{}: {} has no sparse rows", tensor.name, Name(tensor.type)),
                    file.parts[tensor.part]);
    }
    for (uint64_t done = 0; done < units.count; done += units.in_piece()) {
      if (progress && !progress({report.bytes, all_bytes, tensor.name})) {
        return Fail(ErrorCode::kCancelled, "CANCELLED", "the check was stopped");
      }
      const uint64_t count = std::min(units.in_piece(), units.count - done);
      const uint64_t bytes = count * units.bytes;
      const uint64_t at = tensor.offset + done * units.bytes;
      const uint64_t begin = checker ? RoundDown(at, kBlock) : at;
      const uint64_t end = checker ? RoundUp(at + bytes, kBlock) : at + bytes;
      const std::span<std::byte> data = scanner.BufferFor(end - begin);
      TRY(sources[tensor.part]->ReadAt(begin, data));
      const uint64_t bad_before = defect.bad_blocks;
      if (checker) TRY(CheckBlocks(*checker, begin, data, defect));
      if (defect.bad_blocks == bad_before) {
        scanner.Scan(tensor, units, data.data() + (at - begin), done, count, defect);
      }
      report.bytes += bytes;
    }
    ++report.tensors;
    if (!defect.found()) continue;
    defect.first_offset = units.OffsetOf(tensor, defect.first_element);
    report.defects.push_back(std::move(defect));
  }
  return report;
}

}  // namespace tinyai
