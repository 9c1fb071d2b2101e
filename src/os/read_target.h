#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "os/block_read.h"
#include "os/file.h"
#include "os/system_calls.h"
#include "os/unique_fd.h"

namespace tinyai {

// A file as a read queue holds it: with descriptors of its own, so that a read which is stuck in
// the kernel outlives the File safely.
class ReadTarget {
 public:
  // With `direct` it is opened a second time with O_DIRECT, and one block read to see whether that
  // works; where it does not, reads go through the page cache. Error OPEN (no descriptors left).
  static Result<ReadTarget> Open(const File& file, bool direct, SystemCalls& system);

  bool is_direct() const { return static_cast<bool>(direct_fd_); }
  uint64_t direct_alignment() const { return direct_alignment_; }  // 0 unless is_direct()
  const std::string& label() const { return label_; }

  // `size` bytes from `offset` of the part; the result borrows this object's label.
  BlockRead Read(uint64_t offset, std::byte* data, uint64_t size) const {
    return BlockRead(label_, size_, offset, data, size, direct_alignment_);
  }
  // Where the next system call of `read` goes.
  int descriptor(const BlockRead& read) const {
    return read.direct() ? direct_fd_.get() : cached_fd_.get();
  }
  uint64_t disk_offset(const BlockRead& read) const { return begin_ + read.offset(); }

  // After the last byte arrived: drops what went through the page cache. Error MODEL_CHANGED.
  Status Finish(const BlockRead& read) const;

 private:
  void OpenDirect(const File& file, SystemCalls& system);

  UniqueFd cached_fd_, direct_fd_;
  std::string label_, disk_path_;
  FileIdentity identity_;
  uint64_t begin_ = 0, size_ = 0, direct_alignment_ = 0;
};

// Makes all system calls of `read`, waiting for each, and finishes it.
Status ReadNow(const ReadTarget& target, BlockRead& read, SystemCalls& system);

// Alignment of requests that suits all targets: their direct block sizes, at least 512; a page
// where none is direct.
uint64_t CommonAlignment(std::span<const ReadTarget> targets);

}  // namespace tinyai
