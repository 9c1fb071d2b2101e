#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "os/atomic_file.h"
#include "os/unique_fd.h"

namespace tinyai {

// Text for a path of the command line: a file that is there whole or not at all (AtomicFile; what
// stands there before stays until then), or a device or pipe, which is written to directly.
class OutputFile {
 public:
  // None of `inputs` is replaced, whatever its name. Errors (exit 5) as AtomicFile's, here and
  // below; IO_WRITE naming the device or pipe; CANCELLED where a signal comes while a pipe is full.
  static Result<OutputFile> Open(const std::string& path, std::span<const File* const> inputs = {});

  Status Write(std::string_view text);
  // From here on the file is there.
  Status Commit();

 private:
  OutputFile() = default;
  Status WriteDirectly(std::string_view text);
  tl::unexpected<Error> Failed() const;

  std::string path_;
  std::unique_ptr<AtomicFile> file_;  // none: written directly, to fd_
  uint64_t written_ = 0;
  UniqueFd fd_;
};

}  // namespace tinyai
