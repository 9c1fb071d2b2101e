#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace tinyai {

// Something that takes bytes at any offset: a file being written (os/AtomicFile), memory (in
// tests). Writers of file formats take this. Bytes that nobody writes are 0.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) = 0;
};

}  // namespace tinyai
