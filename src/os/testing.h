#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "os/system_calls.h"

// Helpers of the tests of this folder.
namespace tinyai {

// A directory on the disk that holds the build (not tmpfs, which refuses O_DIRECT), removed at the
// end.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  const std::filesystem::path& path() const { return path_; }
  // Writes `bytes` to `name` and returns its path.
  std::string Write(const std::string& name, const std::string& bytes) const;

 private:
  std::filesystem::path path_;
};

// `size` bytes that differ from place to place.
std::string PatternBytes(uint64_t size, uint64_t seed = 1);

// Real system calls whose results a test may replace.
class FaultyCalls : public SystemCalls {
 public:
  int Open(const char* path, int flags) override {
    const int refusal = on_open ? on_open(flags) : 0;
    return refusal < 0 ? refusal : SystemCalls::Open(path, flags);
  }
  int64_t Pread(int fd, void* data, uint64_t size, uint64_t offset) override {
    const int64_t result = SystemCalls::Pread(fd, data, size, offset);
    return on_read ? on_read(reads++, result) : result;
  }
  int UringAllowed() override { return uring_error; }
  int64_t UringResult(int64_t result) override {
    return on_read ? on_read(reads++, result) : result;
  }

  std::function<int(int flags)> on_open;
  // What the n-th read returns instead of `result`; called on several threads.
  std::function<int64_t(uint64_t n, int64_t result)> on_read;
  int uring_error = 0;
  std::atomic<uint64_t> reads = 0;
};

// Has SystemCalls::Real() be this instance, or the real one again for null: for tests of what opens
// its files itself. It outlives what was opened meanwhile.
void ReplaceSystemCalls(SystemCalls* calls);

// While it exists, everything that is opened reads through `calls`.
class ReplacedSystemCalls {
 public:
  explicit ReplacedSystemCalls(SystemCalls& calls) { ReplaceSystemCalls(&calls); }
  ~ReplacedSystemCalls() { ReplaceSystemCalls(nullptr); }
  ReplacedSystemCalls(const ReplacedSystemCalls&) = delete;
  ReplacedSystemCalls& operator=(const ReplacedSystemCalls&) = delete;
};

}  // namespace tinyai
