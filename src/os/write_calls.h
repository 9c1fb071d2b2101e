#pragma once

#include <cstdint>

namespace tinyai {

// The system calls that writing a file safely is made of: the seam at which tests make a disk fail
// or a process die. Each returns what the kernel does, with errors as -errno.
class WriteCalls {
 public:
  virtual ~WriteCalls() = default;
  virtual int OpenUnnamed(const char* folder, int mode);  // O_TMPFILE
  virtual int OpenNew(const char* path, int mode);        // for reading and writing, may be there
  virtual int64_t Pwrite(int fd, const void* data, uint64_t size, uint64_t offset);
  virtual int Fsync(int fd);
  virtual int Link(int fd, const char* path);  // gives an unnamed file a name; never replaces
  virtual int Rename(const char* from, const char* to);
  virtual int Unlink(const char* path);

  static WriteCalls& Real();
};

}  // namespace tinyai
