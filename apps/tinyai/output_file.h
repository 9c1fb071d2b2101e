#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "os/unique_fd.h"

namespace tinyai {

// A file that is there whole or not at all: written beside its place under another name, and moved
// there in the end. What stands there before stays until then. Devices and pipes are written to
// directly.
class OutputFile {
 public:
  // Errors IO_WRITE (exit 5) naming the file, here and below; CANCELLED where a signal
  // comes while a pipe is full.
  static Result<OutputFile> Open(const std::string& path);
  OutputFile(OutputFile&& other) noexcept { *this = std::move(other); }
  OutputFile& operator=(OutputFile&& other) noexcept;
  ~OutputFile();

  Status Write(std::string_view text);
  // From here on the file is there.
  Status Commit();

 private:
  OutputFile() = default;
  tl::unexpected<Error> Failed() const;

  std::string path_;       // where it will be, links followed
  std::string temporary_;  // empty: written directly, or moved already
  UniqueFd fd_;
};

}  // namespace tinyai
