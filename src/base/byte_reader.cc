#include "base/byte_reader.h"

#include "fmt/format.h"

namespace tinyai {

tl::unexpected<Error> ByteReader::TooShort(std::string_view field, uint64_t needed) const {
  return FailAt(
      ErrorCode::kBadFile, truncated_key_,
      fmt::format("at byte {}: {}: needs {} bytes, {} left", file_offset(), field, needed, left()),
      {}, file_offset());
}

Result<std::span<const std::byte>> ByteReader::Bytes(std::string_view field, uint64_t size) {
  if (size > left()) return TooShort(field, size);
  const std::span<const std::byte> bytes = bytes_.subspan(position_, size);
  position_ += size;
  return bytes;
}

Result<size_t> ByteReader::Count(std::string_view field, size_t item_bytes, std::string_view key) {
  const size_t start = position_;
  TRY_ASSIGN(const uint64_t count, Number<uint64_t>(field));
  if (count > left() / item_bytes) {
    position_ = start;
    return FailAt(
        ErrorCode::kBadFile, key,
        fmt::format("at byte {}: {} is {}, but {} bytes are left for items of at least {}",
                    file_offset(), field, count, left(), item_bytes),
        {}, file_offset());
  }
  return static_cast<size_t>(count);
}

}  // namespace tinyai
