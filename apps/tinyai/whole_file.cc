#include "whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/units.h"
#include "fmt/format.h"
#include "os/signals.h"
#include "os/unique_fd.h"

namespace tinyai {
namespace {

tl::unexpected<Error> Stopped() {
  return Fail(ErrorCode::kCancelled, "CANCELLED", "stopped by a signal");
}

tl::unexpected<Error> CannotRead(const std::string& label) {
  return FailAt(ErrorCode::kIo, "IO_READ", std::strerror(errno), label);
}

// Everything up to the end of `fd`.
Result<std::string> ReadAll(int fd, const std::string& label, uint64_t most_bytes) {
  std::string text;
  char block[16 << 10];
  for (;;) {
    const ssize_t count = ::read(fd, block, sizeof(block));
    if (count == 0) break;
    if (StopSignal() != 0) return Stopped();
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return CannotRead(label);
    text.append(block, static_cast<size_t>(count));
    if (text.size() > most_bytes) {
      return FailAt(ErrorCode::kUsage, "TEXT_TOO_LONG",
                    fmt::format("the text is longer than {}", FormatByteSize(most_bytes)), label);
    }
  }
  return text;
}

}  // namespace

Result<std::string> ReadWholeFile(const std::string& path, uint64_t most_bytes) {
  if (path == "-") return ReadAll(STDIN_FILENO, "stdin", most_bytes);
  // Without O_NONBLOCK, opening a FIFO that nobody writes to would wait for ever.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) {
    return FailAt(ErrorCode::kIo, "OPEN",
                  fmt::format("cannot open the file: {}", std::strerror(errno)), path);
  }
  ::fcntl(fd.get(), F_SETFL, 0);
  return ReadAll(fd.get(), path, most_bytes);
}

}  // namespace tinyai
