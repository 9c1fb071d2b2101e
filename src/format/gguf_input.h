#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/byte_source.h"
#include "base/result.h"
#include "format/header_reader.h"

namespace tinyai {

// The header of a GGUF file being read: where the readers of its sections take their fields from.
class GgufInput : public HeaderReader {
 public:
  // `source` outlives this object.
  explicit GgufInput(const ByteSource& source, uint64_t offset = 0)
      : HeaderReader(source, "GGUF_TRUNCATED", offset), source_(source) {}

  const ByteSource& source() const { return source_; }

  // The error that the field at `offset` is damaged.
  tl::unexpected<Error> Bad(std::string_view key, uint64_t offset, std::string_view message,
                            ErrorCode code = ErrorCode::kBadFile) const;

 private:
  const ByteSource& source_;
};

std::string_view AsText(std::span<const std::byte> bytes);

// Whether a key or name is valid UTF-8 without control characters.
bool IsPrintable(std::string_view name);

// A name in a message: its start, safe to print.
std::string Shown(std::string_view name);

}  // namespace tinyai
