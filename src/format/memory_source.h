#pragma once

#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/byte_source.h"

namespace tinyai {

// Bytes in memory seen as a file: for models built into the program, and for tests.
class MemorySource : public ByteSource {
 public:
  // `bytes` belongs to the caller and outlives the source.
  MemorySource(std::string path, std::span<const std::byte> bytes)
      : path_(std::move(path)), bytes_(bytes) {}

  const std::string& path() const override { return path_; }
  uint64_t size() const override { return bytes_.size(); }
  Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
    if (offset > bytes_.size() || out.size() > bytes_.size() - offset) {
      return FailAt(ErrorCode::kIo, "IO_READ", "the read goes past the end", path_, offset);
    }
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return {};
  }

 private:
  std::string path_;
  std::span<const std::byte> bytes_;
};

}  // namespace tinyai
