#include "format/block_checker.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/checksum.h"
#include "base/escape.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr uint64_t kBlock = BlockChecksums::kBlockBytes;
constexpr uint64_t kWindowBlocks = 2048;  // 16 KiB, for 8 MiB of weights
constexpr uint64_t kReadBytes = uint64_t{64} << 10;

}  // namespace

BlockChecker::BlockChecker(const ModelFile& file, const ByteSource& source)
    : file_(file),
      source_(source),
      checksums_(*file.checksums),
      checked_(CeilDiv(checksums_.blocks(), 64)) {
  window_.reserve(kWindowBlocks);
}

uint64_t BlockChecker::MemoryBytes(const BlockChecksums& checksums) {
  return CeilDiv(checksums.blocks(), 64) * sizeof(uint64_t) + kWindowBlocks * sizeof(uint64_t);
}

Status BlockChecker::Check(uint64_t offset, std::span<const std::byte> data) {
  const uint64_t begin = std::max(offset, checksums_.begin);
  const uint64_t end = std::min(offset + data.size(), checksums_.end);
  for (uint64_t at = begin; at < end; at += kBlock) {
    const uint64_t block = (at - checksums_.begin) / kBlock;
    if (IsChecked(block)) continue;
    TRY_ASSIGN(const uint64_t expected, ExpectedChecksum(block));
    if (Checksum(data.subspan(at - offset, kBlock), block) != expected) return Damaged(block);
    checked_[block / 64].fetch_or(uint64_t{1} << block % 64, std::memory_order_relaxed);
  }
  return {};
}

Status BlockChecker::ReadAt(uint64_t offset, std::span<std::byte> out) {
  std::vector<std::byte> piece(std::min(RoundUp(out.size() + kBlock, kBlock), kReadBytes));
  while (!out.empty()) {
    const uint64_t begin = RoundDown(offset, kBlock);
    const uint64_t wanted =
        std::min<uint64_t>(RoundUp(offset + out.size(), kBlock) - begin, piece.size());
    const uint64_t size = std::min(wanted, source_.size() - std::min(begin, source_.size()));
    const std::span<std::byte> blocks = std::span(piece).first(size);
    if (size <= offset - begin) return source_.ReadAt(offset, out);  // reports the end of the file
    TRY(source_.ReadAt(begin, blocks));
    TRY(Check(begin, blocks));
    const uint64_t bytes = std::min<uint64_t>(size - (offset - begin), out.size());
    std::memcpy(out.data(), blocks.data() + (offset - begin), bytes);
    out = out.subspan(bytes);
    offset += bytes;
  }
  return {};
}

void BlockChecker::Forget() {
  for (std::atomic<uint64_t>& bits : checked_) bits.store(0, std::memory_order_relaxed);
}

bool BlockChecker::IsChecked(uint64_t block) const {
  return (checked_[block / 64].load(std::memory_order_relaxed) >> block % 64 & 1) != 0;
}

Result<uint64_t> BlockChecker::ExpectedChecksum(uint64_t block) {
  const std::lock_guard lock(mutex_);
  if (block < window_begin_ || block - window_begin_ >= window_.size()) {
    window_begin_ = block;
    window_.resize(std::min(kWindowBlocks, checksums_.blocks() - block));
    const Status read = source_.ReadAt(checksums_.table_offset + block * sizeof(uint64_t),
                                       std::as_writable_bytes(std::span(window_)));
    if (!read) {
      window_.clear();
      return tl::unexpected<Error>(read.error());
    }
  }
  return window_[block - window_begin_];
}

tl::unexpected<Error> BlockChecker::Damaged(uint64_t block) const {
  const uint64_t begin = checksums_.begin + block * kBlock, end = begin + kBlock;
  std::string tensor = "no tensor";
  for (const TensorInfo& info : file_.tensors) {
    if (info.offset < end && info.offset + info.bytes > begin) {
      tensor = fmt::format("the tensor '{}'", EscapeControl(info.name));
      break;
    }
  }
  return FailAt(ErrorCode::kBadFile, "TMAI_CHECKSUM",
                fmt::format("block {} of the weights, of {}, is damaged: its checksum is another; "
                            "fetch or convert the model again",
                            block, tensor),
                source_.path(), begin);
}

}  // namespace tinyai
