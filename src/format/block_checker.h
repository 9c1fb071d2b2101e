#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"
#include "format/model_file.h"

namespace tinyai {

// Compares blocks of weights with the checksums that their file keeps, each block the first time
// that it comes by. Reads the checksums it needs piece by piece and holds few of them; what it
// holds for good is one bit per block. Thread-safe.
class BlockChecker {
 public:
  // For a file with `checksums`, read from `source`; both outlive this object.
  BlockChecker(const ModelFile& file, const ByteSource& source);

  // `data` is what was read from byte `offset` of the file, whole blocks at their places. Blocks
  // that are no weights pass. Errors: TMAI_CHECKSUM naming tensor and block; those of reading.
  Status Check(uint64_t offset, std::span<const std::byte> data);
  // Reads like the source, in whole blocks, and checks them. Holds up to 64 KiB meanwhile.
  Status ReadAt(uint64_t offset, std::span<std::byte> out);

  // From now on a block may have changed again: all are checked anew.
  void Forget();

  uint64_t memory_bytes() const { return MemoryBytes(checksums_); }
  static uint64_t MemoryBytes(const BlockChecksums& checksums);

 private:
  bool IsChecked(uint64_t block) const;
  Result<uint64_t> ExpectedChecksum(uint64_t block);
  tl::unexpected<Error> Damaged(uint64_t block) const;

  const ModelFile& file_;
  const ByteSource& source_;
  const BlockChecksums checksums_;
  std::vector<std::atomic<uint64_t>> checked_;  // a bit per block
  std::mutex mutex_;                            // guards window_, window_begin_
  std::vector<uint64_t> window_;                // checksums from block window_begin_ on
  uint64_t window_begin_ = 0;
};

}  // namespace tinyai
