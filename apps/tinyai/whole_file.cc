#include "whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
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

tl::unexpected<Error> CannotWrite(const std::string& path) {
  return FailAt(ErrorCode::kIo, "IO_WRITE",
                fmt::format("cannot write the file: {}", std::strerror(errno)), path);
}

Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (StopSignal() != 0) return Stopped();
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return CannotWrite(path);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return {};
}

Status WriteInPlace(const std::string& path, std::string_view bytes) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return CannotWrite(path);
  ::fcntl(fd.get(), F_SETFL, 0);
  return WriteAll(fd.get(), bytes, path);
}

// Into a file of another name beside it, which takes its place once all is written.
Status WriteBeside(const std::string& path, const std::string& temporary, std::string_view bytes) {
  const UniqueFd fd(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (fd.get() < 0) return CannotWrite(path);
  Status written = WriteAll(fd.get(), bytes, path);
  if (written && (::fsync(fd.get()) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0)) {
    written = CannotWrite(path);
  }
  if (!written) ::unlink(temporary.c_str());
  return written;
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

Status WriteWholeFile(const std::string& path, std::string_view bytes) {
  struct stat known {};
  if (::stat(path.c_str(), &known) == 0 && !S_ISREG(known.st_mode)) {
    return WriteInPlace(path, bytes);
  }
  return WriteBeside(path, fmt::format("{}.new-{}", path, ::getpid()), bytes);
}

}  // namespace tinyai
