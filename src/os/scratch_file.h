#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "os/file.h"
#include "os/unique_fd.h"
#include "os/write_calls.h"

namespace tinyai {

// A temporary file without a name, on a disk rather than in memory where there is one: in $TMPDIR,
// else in /var/tmp, else in /tmp. It is gone with the last who has it open, also after a crash.
class ScratchFile {
 public:
  static constexpr uint64_t kBlock = 4096;

  // Errors IO_WRITE: nowhere to write, or the disk lacks `bytes`. `calls` outlives the file.
  static Result<std::unique_ptr<ScratchFile>> Create(uint64_t bytes,
                                                     WriteCalls& calls = WriteCalls::Real());

  // Error IO_WRITE.
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes);
  // Whole blocks, in memory and in the file: past the page cache where the file system can do that,
  // else through it, and out of it again at once. Errors IO_WRITE; IO_READ, MODEL_CHANGED.
  Status WriteBlocks(uint64_t offset, std::span<const std::byte> bytes);
  Status ReadBlocks(uint64_t offset, std::span<std::byte> bytes);
  // Has what was written so far reach the disk: until then its pages cannot leave the page cache.
  // Error IO_WRITE.
  Status Sync();
  // The file for reading, of the size given to Create; called `label` in messages. This object
  // outlives it: the path by which it can be opened again is this object's descriptor.
  Result<std::unique_ptr<File>> Open(std::string label) const;

 private:
  int WriteTo(int fd, uint64_t unit, uint64_t& offset, std::span<const std::byte>& bytes);

  WriteCalls* calls_ = nullptr;
  UniqueFd fd_, direct_;  // the latter where the page cache can be passed
  std::string folder_;
  uint64_t bytes_ = 0;
};

}  // namespace tinyai
