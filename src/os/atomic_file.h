#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/byte_sink.h"
#include "base/result.h"
#include "os/file.h"
#include "os/unique_fd.h"
#include "os/write_calls.h"

namespace tinyai {

struct AtomicFileOptions {
  bool replace = false;                 // what is at the path, if it is a regular file
  std::span<const File* const> inputs;  // none may be what is written, whatever its name
  uint64_t bytes = 0;  // that will be written at least; refused at once if the disk lacks them
};

// A large file that is written beside what is at its path and takes the path only when it is whole:
// after a crash at any time the path is what it was, or the new file. The file has no name until
// then where the file system can do that (O_TMPFILE); where it cannot, and for the moment in which
// it replaces another, it is called `.NAME.part`, and what a crash has left under that name is
// removed by the next who writes to the path. Written bytes leave the page cache soon.
class AtomicFile : public ByteSink {
 public:
  // Errors (exit 5): OUTPUT_EXISTS; OUTPUT_IS_INPUT, also through links; OUTPUT_TARGET (a
  // directory, a device, a file that may not be written); IO_WRITE. Nothing is changed then.
  static Result<std::unique_ptr<AtomicFile>> Create(const std::string& path,
                                                    const AtomicFileOptions& options,
                                                    WriteCalls& calls = WriteCalls::Real());
  ~AtomicFile() override;  // without Commit nothing is left

  // Error IO_WRITE.
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override;
  // Makes all that was written safe and gives it the path. Once. Errors IO_WRITE; OUTPUT_EXISTS if
  // somebody else took the path meanwhile.
  Status Commit();

  const std::string& path() const { return path_; }

 private:
  AtomicFile(std::string path, bool replace, WriteCalls& calls);
  Status CheckTarget(const AtomicFileOptions& options);
  Status CheckSpace(uint64_t bytes);
  Status OpenTemporary();
  Status OpenNamed();
  Status TakeName();
  Status Sync(int fd, const std::string& what);
  void DropWritten();
  tl::unexpected<Error> Failed(std::string_view what, int error_number) const;

  const std::string path_;  // where links lead
  const bool replace_;
  WriteCalls& calls_;
  std::string folder_, part_path_;
  UniqueFd fd_;
  bool has_part_name_ = false;
  int mode_ = 0;
  uint64_t dropped_ = 0, written_ = 0;  // bytes from the front
};

}  // namespace tinyai
