#include "os/system_calls.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
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

namespace {

std::atomic<SystemCalls*> replacement = nullptr;

}  // namespace

SystemCalls& SystemCalls::Real() {
  static SystemCalls real;
  SystemCalls* const other = replacement.load(std::memory_order_acquire);
  return other != nullptr ? *other : real;
}

void ReplaceSystemCalls(SystemCalls* calls);  // declared for tests: os/testing.h

void ReplaceSystemCalls(SystemCalls* calls) { replacement.store(calls, std::memory_order_release); }

}  // namespace tinyai
