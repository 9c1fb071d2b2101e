#include "format/gguf_part.h"

#include <algorithm>

#include "fmt/format.h"
#include "format/file_kind.h"
#include "format/gguf_input.h"
#include "format/gguf_sections.h"
#include "format/limits.h"

namespace tinyai {
namespace {

// The layout of a GGUF file, version 2 and 3, little-endian, nothing aligned up to the data:
//
//   "GGUF"  u32 version  u64 tensors  u64 keys
//   keys x     string key, u32 type, value
//   tensors x  string name, u32 n_dims, n_dims x u64 dim (innermost first), u32 type, u64 offset
//   padding to a multiple of general.alignment (32)
//   data       each tensor at its offset from here, a multiple of the alignment
//
//   string: u64 length, bytes        array: u32 item type, u64 count, items        bool: u8 0 or 1

constexpr uint64_t kLeastKeyBytes = 8 + 1 + 4 + 1;             // one letter, u8
constexpr uint64_t kLeastTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;  // one letter, one dimension

struct Counts {
  uint64_t tensors = 0, keys = 0;
};

Status ReadCounts(GgufInput& in, Counts& counts) {
  const uint64_t at = in.offset();
  TRY_ASSIGN(counts.tensors, in.Number<uint64_t>("tensor count"));
  if (counts.tensors > kMaxTensors) {
    return in.Bad("GGUF_COUNT", at,
                  fmt::format("tensor count is {}, the most is {}", counts.tensors, kMaxTensors));
  }
  TRY_ASSIGN(counts.keys, in.Number<uint64_t>("key count"));
  if (counts.keys > kMaxGgufKeys) {
    return in.Bad("GGUF_COUNT", at + 8,
                  fmt::format("key count is {}, the most is {}", counts.keys, kMaxGgufKeys));
  }
  const uint64_t least =
      counts.tensors * kLeastTensorBytes + counts.keys * kLeastKeyBytes;  // cannot wrap
  if (least > in.left()) {
    return in.Bad("GGUF_TRUNCATED", in.offset(),
                  fmt::format("{} keys and {} tensors need at least {} bytes, {} left", counts.keys,
                              counts.tensors, least, in.left()));
  }
  return {};
}

Status ReadStart(GgufInput& in, GgufPart& out, Counts& counts) {
  TRY_ASSIGN(const std::span<const std::byte> magic, in.Bytes("magic", 4));
  if (AsText(magic) != "GGUF") {
    std::vector<std::byte> start(std::min<uint64_t>(in.file_size(), 64));
    TRY(in.source().ReadAt(0, start));
    return in.Bad("GGUF_BAD_MAGIC", 0,
                  fmt::format("this is no GGUF file; {}", DescribeFileStart(start)));
  }
  TRY_ASSIGN(out.version, in.Number<uint32_t>("version"));
  const uint32_t version = out.version;
  if (version != 0 && (version & 0xFFFF) == 0) {
    return in.Bad("GGUF_ENDIAN", 4,
                  "the file is big-endian; convert it to a little-endian GGUF file",
                  ErrorCode::kUnsupported);
  }
  if (version != 2 && version != 3) {
    return in.Bad(
        "GGUF_VERSION", 4,
        fmt::format("version {} is not supported (2 and 3 are){}", version,
                    version == 1 ? "; convert the model again with a newer converter" : ""));
  }
  return ReadCounts(in, counts);
}

}  // namespace

Status ReadGgufPart(const ByteSource& source, GgufPart& out) {
  GgufInput in(source);
  Counts counts;
  TRY(ReadStart(in, out, counts));
  TRY(ReadGgufKeys(in, counts.keys, out));
  TRY(ReadGgufTensors(in, counts.tensors, out));
  return PlaceGgufTensors(source, out);
}

}  // namespace tinyai
