#include "os/system_calls.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace tinyai {

int SystemCalls::Open(const char* path, int flags) {
  const int fd = ::open(path, flags | O_CLOEXEC);
  return fd >= 0 ? fd : -errno;
}

int64_t SystemCalls::Pread(int fd, void* data, uint64_t size, uint64_t offset) {
  const ssize_t result = ::pread(fd, data, size, static_cast<off_t>(offset));
  return result >= 0 ? result : -errno;
}

SystemCalls& SystemCalls::Real() {
  static SystemCalls real;
  return real;
}

}  // namespace tinyai
