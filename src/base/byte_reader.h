#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace tinyai {

static_assert(std::endian::native == std::endian::little, "readers copy little-endian fields");

// Reads little-endian fields from bytes nobody has checked yet. Every read names its field, so
// damage is reported as "at byte 24: tensor count: needs 8 bytes, 3 left". A failed read moves
// nothing. `truncated_key` is the error key for bytes that are missing.
class ByteReader {
 public:
  // `bytes` belongs to the caller and outlives the reader and every span it hands out.
  // `base_offset` is where `bytes` starts in its file, for messages.
  explicit ByteReader(std::span<const std::byte> bytes,
                      std::string_view truncated_key = "TRUNCATED", uint64_t base_offset = 0)
      : bytes_(bytes), truncated_key_(truncated_key), base_offset_(base_offset) {}

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }
  uint64_t file_offset() const { return base_offset_ + position_; }

  template <typename T>
  requires std::is_arithmetic_v<T> Result<T> Number(std::string_view field) {
    if (sizeof(T) > left()) return TooShort(field, sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  Result<std::span<const std::byte>> Bytes(std::string_view field, uint64_t size);

  // A count of items (uint64) that each take at least `item_bytes` of what is left. A larger count
  // is an error, so the result is safe to pass to reserve().
  Result<size_t> Count(std::string_view field, size_t item_bytes, std::string_view key);

 private:
  tl::unexpected<Error> TooShort(std::string_view field, uint64_t needed) const;

  std::span<const std::byte> bytes_;
  std::string_view truncated_key_;
  uint64_t base_offset_;
  size_t position_ = 0;
};

}  // namespace tinyai
