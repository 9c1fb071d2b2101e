#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace tinyai {

// Something with a size that can be read at any offset: a file on disk (os/File), bytes in memory
// (in tests), a part of a larger file. Readers of file formats take this. Thread-safe.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual const std::string& path() const = 0;  // for messages
  virtual uint64_t size() const = 0;
  // Fills all of `out` from byte `offset`; a range past the end is an error.
  virtual Status ReadAt(uint64_t offset, std::span<std::byte> out) const = 0;
};

}  // namespace tinyai
