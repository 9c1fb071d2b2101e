#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"

namespace tinyai {

// The bytes of a file through a window of fixed size, so that messages with weights inside cost no
// more memory than what is kept of them.
class ProtoWindow {
 public:
  static constexpr size_t kBytes = size_t{64} << 10;

  // `source` outlives the window. `key` is of the errors.
  ProtoWindow(const ByteSource& source, std::string_view key) : source_(source), key_(key) {}

  uint64_t size() const { return source_.size(); }
  // Up to kBytes from `offset`, which lies in the file; valid until the next call.
  Result<std::span<const std::byte>> At(uint64_t offset, size_t size);
  // `size` bytes, which lie in the file.
  Result<std::string> Text(uint64_t offset, uint64_t size);

  tl::unexpected<Error> Bad(uint64_t offset, std::string_view message) const;

 private:
  const ByteSource& source_;
  std::string_view key_;
  std::vector<std::byte> window_;
  uint64_t begin_ = 0;
};

// One field of a protobuf message.
struct ProtoField {
  enum class Type : uint8_t { kVarint = 0, k64 = 1, kBytes = 2, k32 = 5 };
  uint32_t number = 0;
  Type type = Type::kVarint;
  uint64_t value = 0;             // but of kBytes; its bits
  uint64_t offset = 0, size = 0;  // in the file: of the contents of kBytes, else of the value

  int64_t integer() const { return static_cast<int64_t>(value); }
  uint64_t end() const { return offset + size; }
};

// The fields of a message that lies at [begin, end) of a file, one after the other. What is inside
// of a field is read by another reader on its range; nothing here recurses.
//
//   field:  varint number << 3 | type, then by the type: a varint, 8 bytes, varint n and n bytes,
//           4 bytes. Groups (types 3 and 4), which have no length, are refused.
class ProtoReader {
 public:
  // The range lies in the file; `in` outlives the reader.
  ProtoReader(ProtoWindow& in, uint64_t begin, uint64_t end) : in_(in), at_(begin), end_(end) {}
  ProtoReader(ProtoWindow& in, const ProtoField& field)
      : ProtoReader(in, field.offset, field.end()) {}

  // False at the end of the message.
  Result<bool> Next(ProtoField& out);
  // Where a message is a list of packed numbers.
  bool AtEnd() const { return at_ == end_; }
  Result<uint64_t> Varint(std::string_view what);
  Result<uint64_t> Fixed(size_t bytes);

 private:
  // Something goes on behind the end of the message.
  tl::unexpected<Error> TooShort(uint64_t offset, const std::string& message) const;

  ProtoWindow& in_;
  uint64_t at_, end_;
};

}  // namespace tinyai
