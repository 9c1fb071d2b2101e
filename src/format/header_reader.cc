#include "format/header_reader.h"

#include <algorithm>

#include "fmt/format.h"

namespace tinyai {

Status HeaderReader::Refill(std::string_view field, uint64_t size) {
  if (size > left()) {
    return FailAt(
        ErrorCode::kBadFile, truncated_key_,
        fmt::format("at byte {}: {}: needs {} bytes, {} left", offset_, field, size, left()),
        source_.path(), offset_);
  }
  const uint64_t bytes = std::min<uint64_t>(left(), kWindowBytes);
  std::vector<std::byte> window = std::move(window_);
  window_.clear();
  window_begin_ = offset_;
  window.resize(bytes);
  TRY(source_.ReadAt(offset_, window));
  window_ = std::move(window);
  return {};
}

Result<std::span<const std::byte>> HeaderReader::Bytes(std::string_view field, uint64_t size) {
  TRY(Need(field, size));
  const std::span<const std::byte> bytes(Front(), size);
  offset_ += size;
  return bytes;
}

Status HeaderReader::Append(std::string_view field, uint64_t size, std::vector<std::byte>& out) {
  if (size > InWindow() && size > kWindowBytes) {
    if (size > left()) return Refill(field, size);  // reports what is missing
    const size_t old_size = out.size();
    out.resize(old_size + size);
    if (Status read = source_.ReadAt(offset_, std::span(out).subspan(old_size)); !read) {
      out.resize(old_size);
      return read;
    }
    offset_ += size;
    window_.clear();
    window_begin_ = offset_;
    return {};
  }
  TRY_ASSIGN(const std::span<const std::byte> bytes, Bytes(field, size));
  out.insert(out.end(), bytes.begin(), bytes.end());
  return {};
}

}  // namespace tinyai
