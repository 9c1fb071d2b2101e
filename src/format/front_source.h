#pragma once

#include <string>

#include "base/byte_source.h"

namespace tinyai {

// The front of a file, as if it ended there: at byte `end`, which lies in it. The file outlives
// this.
class FrontSource : public ByteSource {
 public:
  FrontSource(const ByteSource& source, uint64_t end) : source_(source), end_(end) {}
  const std::string& path() const override { return source_.path(); }
  uint64_t size() const override { return end_; }
  Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
    return source_.ReadAt(offset, out);
  }

 private:
  const ByteSource& source_;
  const uint64_t end_;
};

}  // namespace tinyai
