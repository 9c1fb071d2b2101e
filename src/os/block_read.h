#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace tinyai {

// One read as the sequence of system calls it takes. Makes none itself: the owner issues the call
// that offset(), data(), size() and direct() describe, and hands its result to Advance, until
// finished(). The rules of retrying live here, once for every I/O path:
//   - short reads are continued; a direct read from the last whole block that arrived,
//   - EINTR and EAGAIN are retried 1,000 times, any other error once, counted since the last
//     progress; then IO_READ,
//   - a direct read that the system refuses (EINVAL, EOPNOTSUPP) or that gets no whole block in
//     8 calls goes on through the page cache,
//   - an end of file before the file's known size is MODEL_CHANGED.
class BlockRead {
 public:
  BlockRead() = default;
  // Of the bytes from `offset`, those before `file_size` must arrive; the others are padding up to
  // whole blocks. `direct_alignment`: block size of direct reads, 0 to read through the page cache.
  // `path` is for messages and outlives this object.
  BlockRead(std::string_view path, uint64_t file_size, uint64_t offset, std::byte* data,
            uint64_t size, uint64_t direct_alignment);

  bool finished() const { return done_ >= wanted_; }
  uint64_t offset() const { return offset_ + done_; }
  std::byte* data() const { return data_ + done_; }
  uint64_t size() const;
  bool direct() const { return direct_alignment_ != 0; }
  // Whether any byte went through the page cache.
  bool used_cache() const { return used_cache_; }
  uint64_t start_offset() const { return offset_; }
  uint64_t wanted_bytes() const { return wanted_; }

  // Takes the result of the call: bytes read, or -errno. Errors IO_READ and MODEL_CHANGED end it.
  Status Advance(int64_t result);

 private:
  Status Failed(int error_number);
  tl::unexpected<Error> GiveUp(int error_number) const;
  void GoThroughCache();

  std::string_view path_;
  uint64_t offset_ = 0, wanted_ = 0, size_ = 0, done_ = 0, direct_alignment_ = 0;
  std::byte* data_ = nullptr;
  uint32_t interruptions_ = 0, failures_ = 0, fruitless_ = 0;  // since the last progress
  bool used_cache_ = false;
};

}  // namespace tinyai
