#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "os/file.h"
#include "os/unique_fd.h"

namespace tinyai {

// A temporary file without a name, on a disk rather than in memory where there is one: in $TMPDIR,
// else in /var/tmp, else in /tmp. It is gone with the last who has it open, also after a crash.
class ScratchFile {
 public:
  // Errors IO_WRITE: nowhere to write, or the disk lacks `bytes`.
  static Result<std::unique_ptr<ScratchFile>> Create(uint64_t bytes);

  // Error IO_WRITE.
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes);
  // Has what was written so far reach the disk: until then its pages cannot leave the page cache.
  // Error IO_WRITE.
  Status Sync();
  // The file for reading, of the size given to Create; called `label` in messages. This object
  // outlives it: the path by which it can be opened again is this object's descriptor.
  Result<std::unique_ptr<File>> Open(std::string label) const;

 private:
  UniqueFd fd_;
  std::string folder_;
  uint64_t bytes_ = 0;
};

}  // namespace tinyai
