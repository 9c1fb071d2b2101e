#include "os/write_calls.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

namespace tinyai {
namespace {

int OrError(int result) { return result < 0 ? -errno : result; }

}  // namespace

int WriteCalls::OpenUnnamed(const char* folder, int mode) {
  return OrError(::open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
}

int WriteCalls::OpenNew(const char* path, int mode) {
  return OrError(::open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode));
}

int64_t WriteCalls::Pwrite(int fd, const void* data, uint64_t size, uint64_t offset) {
  const ssize_t result = ::pwrite(fd, data, size, static_cast<off_t>(offset));
  return result < 0 ? -errno : result;
}

int WriteCalls::Fsync(int fd) { return OrError(::fsync(fd)); }

int WriteCalls::Link(int fd, const char* path) {
  const std::string from = "/proc/self/fd/" + std::to_string(fd);
  return OrError(::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, path, AT_SYMLINK_FOLLOW));
}

int WriteCalls::Rename(const char* from, const char* to) { return OrError(::rename(from, to)); }

int WriteCalls::Unlink(const char* path) { return OrError(::unlink(path)); }

WriteCalls& WriteCalls::Real() {
  static WriteCalls calls;
  return calls;
}

}  // namespace tinyai
