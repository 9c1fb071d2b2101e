#pragma once

#include <cstdint>

namespace tinyai {

// The system calls that reading a file is made of: the seam at which tests make a disk fail. Each
// returns what the kernel does, with errors as -errno. Thread-safe. An instance given to a File or
// a ReadQueue outlives it and every read that is stuck in it.
class SystemCalls {
 public:
  virtual ~SystemCalls() = default;
  virtual int Open(const char* path, int flags);
  virtual int64_t Pread(int fd, void* data, uint64_t size, uint64_t offset);
  // Asked before an io_uring is set up: 0, or the -errno that setting it up is to fail with.
  virtual int UringAllowed() { return 0; }
  // The result of an io_uring read, as it arrived.
  virtual int64_t UringResult(int64_t result) { return result; }

  static SystemCalls& Real();
};

}  // namespace tinyai
