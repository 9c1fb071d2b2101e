#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"

namespace tinyai {

// Reads little-endian fields from the front of a file that nobody has checked yet, through a window
// of fixed size, so that a header costs no more memory than what is kept of it. Every read names
// its field; bytes that the file lacks are the error `truncated_key` with the offset of the field.
// A failed read moves nothing.
class HeaderReader {
 public:
  static constexpr size_t kWindowBytes = size_t{256} << 10;

  // Reads from byte `offset` on, which lies in the file. `source` outlives the reader.
  HeaderReader(const ByteSource& source, std::string_view truncated_key, uint64_t offset = 0)
      : source_(source), truncated_key_(truncated_key), window_begin_(offset), offset_(offset) {}

  uint64_t offset() const { return offset_; }
  uint64_t left() const { return source_.size() - offset_; }
  uint64_t file_size() const { return source_.size(); }

  template <typename T>
  requires std::is_arithmetic_v<T> Result<T> Number(std::string_view field) {
    TRY(Need(field, sizeof(T)));
    T value;
    std::memcpy(&value, Front(), sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  // `size` is at most kWindowBytes. The span is valid until the next read.
  Result<std::span<const std::byte>> Bytes(std::string_view field, uint64_t size);

  // Appends the next `size` bytes, any number, to `out`. Nothing is allocated unless the file has
  // them.
  Status Append(std::string_view field, uint64_t size, std::vector<std::byte>& out);

 private:
  const std::byte* Front() const { return window_.data() + (offset_ - window_begin_); }
  uint64_t InWindow() const { return window_begin_ + window_.size() - offset_; }
  // Makes sure that the window holds the next `size` bytes.
  Status Need(std::string_view field, uint64_t size) {
    if (size <= InWindow()) return {};
    return Refill(field, size);
  }
  Status Refill(std::string_view field, uint64_t size);

  const ByteSource& source_;
  std::string_view truncated_key_;
  std::vector<std::byte> window_;
  uint64_t window_begin_;
  uint64_t offset_;  // always within the window or at its end
};

}  // namespace tinyai
