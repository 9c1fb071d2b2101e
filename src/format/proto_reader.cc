#include "format/proto_reader.h"

#include <algorithm>
#include <cstring>

#include "fmt/format.h"

namespace tinyai {

Result<std::span<const std::byte>> ProtoWindow::At(uint64_t offset, size_t size) {
  const uint64_t wanted = std::min<uint64_t>({size, kBytes, source_.size() - offset});
  if (offset < begin_ || offset - begin_ > window_.size() ||
      window_.size() - (offset - begin_) < wanted) {
    std::vector<std::byte> next = std::move(window_);
    window_.clear();
    next.resize(std::min<uint64_t>(kBytes, source_.size() - offset));
    TRY(source_.ReadAt(offset, next));
    window_ = std::move(next);
    begin_ = offset;
  }
  return std::span<const std::byte>(window_).subspan(offset - begin_, wanted);
}

Result<std::string> ProtoWindow::Text(uint64_t offset, uint64_t size) {
  std::string text;
  while (text.size() < size) {
    TRY_ASSIGN(const auto bytes, At(offset + text.size(), size - text.size()));
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return text;
}

tl::unexpected<Error> ProtoWindow::Bad(uint64_t offset, std::string_view message) const {
  return FailAt(ErrorCode::kBadFile, key_, std::string(message), source_.path(), offset);
}

tl::unexpected<Error> ProtoReader::TooShort(uint64_t offset, const std::string& message) const {
  const bool last = end_ == in_.size();
  return in_.Bad(offset, last ? message + ": is the file cut short?" : message);
}

Result<uint64_t> ProtoReader::Varint(std::string_view what) {
  constexpr size_t kMostBytes = 10;  // of 64 bits, 7 in a byte
  TRY_ASSIGN(const auto bytes, in_.At(at_, std::min<uint64_t>(kMostBytes, end_ - at_)));
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<uint64_t>(bytes[i]);
    if (i == kMostBytes - 1 && byte > 1) break;
    value |= (byte & 127) << (7 * i);
    if (byte > 127) continue;
    at_ += i + 1;
    return value;
  }
  return TooShort(at_, fmt::format("{}: a number that does not end", what));
}

Result<uint64_t> ProtoReader::Fixed(size_t bytes) {
  if (end_ - at_ < bytes) {
    return TooShort(at_, fmt::format("a number needs {} bytes, {} left", bytes, end_ - at_));
  }
  TRY_ASSIGN(const auto from, in_.At(at_, bytes));
  uint64_t value = 0;
  std::memcpy(&value, from.data(), bytes);
  at_ += bytes;
  return value;
}

Result<bool> ProtoReader::Next(ProtoField& out) {
  if (AtEnd()) return false;
  const uint64_t begin = at_;
  TRY_ASSIGN(const uint64_t tag, Varint("field"));
  constexpr uint64_t kMostNumber = (uint64_t{1} << 29) - 1;
  if (tag >> 3 == 0 || tag >> 3 > kMostNumber) return in_.Bad(begin, "there is no such field");
  out.number = static_cast<uint32_t>(tag >> 3);
  out.type = static_cast<ProtoField::Type>(tag & 7);
  out.offset = at_;
  switch (out.type) {
    case ProtoField::Type::kVarint: {
      TRY_ASSIGN(out.value, Varint("value"));
      break;
    }
    case ProtoField::Type::k64: {
      TRY_ASSIGN(out.value, Fixed(sizeof(uint64_t)));
      break;
    }
    case ProtoField::Type::k32: {
      TRY_ASSIGN(out.value, Fixed(sizeof(uint32_t)));
      break;
    }
    case ProtoField::Type::kBytes: {
      TRY_ASSIGN(out.size, Varint("length"));
      if (out.size > end_ - at_) {
        return TooShort(
            begin, fmt::format("field {} has {} bytes, {} left", out.number, out.size, end_ - at_));
      }
      out.offset = at_;
      at_ += out.size;
      return true;
    }
    default:
      return in_.Bad(begin, fmt::format("field {} is of a type that does not exist", out.number));
  }
  out.size = at_ - out.offset;
  return true;
}

}  // namespace tinyai
