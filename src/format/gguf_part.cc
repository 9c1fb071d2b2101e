#include "format/gguf_part.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/checked.h"
#include "base/escape.h"
#include "fmt/format.h"
#include "format/file_kind.h"
#include "format/gguf_types.h"
#include "format/header_reader.h"
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
constexpr size_t kReservedKeys = 65'536;  // made room for at once, however many are announced
constexpr size_t kSharedBlockBytes = size_t{64} << 10;
constexpr size_t kLargeValueBytes = size_t{16} << 10;
// A key that is longer than this and than the whole file is no key cut short by the file's end.
constexpr uint64_t kLongKeyBytes = 128;

bool IsPrintable(std::string_view name) {
  const bool ascii = std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<uint8_t>(c) >= 0x20 && static_cast<uint8_t>(c) < 0x7F;
  });
  return ascii || EscapeControl(name) == name;
}

// A name in a message: its start, safe to print.
std::string Shown(std::string_view name) {
  constexpr size_t kMost = 80;
  if (name.size() <= kMost) return EscapeControl(name);
  return EscapeControl(name.substr(0, kMost)) + "...";
}

std::string_view Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class PartReader {
 public:
  PartReader(const ByteSource& source, GgufPart& out)
      : source_(source), in_(source, "GGUF_TRUNCATED"), out_(out) {}

  Status Read() {
    TRY(ReadStart());
    TRY(ReadKeys());
    TRY(ReadTensors());
    return PlaceGgufTensors(source_, out_);
  }

 private:
  Status ReadStart();
  Status ReadCounts();
  Status ReadKeys();
  Status ReadKey();
  Status ReadValue(Metadata::Entry& entry);
  Status ReadString(std::vector<std::byte>& bytes);
  Status ReadArray(MetaValue& value, std::vector<std::byte>& bytes);
  Status ReadStringItems(uint64_t count, std::vector<std::byte>& bytes);
  bool IsCutShort(const Error& error, uint64_t at, const std::vector<std::byte>& bytes) const;
  Status CheckBools(std::span<const std::byte> bools, uint64_t offset);
  Status CheckTotal(uint64_t more, std::string_view key, uint64_t offset);
  std::span<const std::byte> Keep(std::vector<std::byte> bytes, bool alone);
  Status CheckKeysUnique();
  Status ReadAlignment();
  Status ReadTensors();
  uint64_t CountTensorRecords() const;
  Status ReadTensor();
  Status ReadShape(TensorInfo& tensor, uint64_t& elements);
  Status ReadTensorType(TensorInfo& tensor);
  Status SetTensorBytes(TensorInfo& tensor, uint64_t elements, uint64_t offset);

  tl::unexpected<Error> Bad(std::string_view key, uint64_t offset, std::string_view message,
                            ErrorCode code = ErrorCode::kBadFile) const {
    return FailAt(code, key, fmt::format("at byte {}: {}", offset, message), source_.path(),
                  offset);
  }

  const ByteSource& source_;
  HeaderReader in_;
  GgufPart& out_;
  uint64_t tensors_ = 0, keys_ = 0;  // as announced
  uint64_t value_bytes_ = 0;         // of all metadata
  uint64_t data_bytes_ = 0;          // of all tensors, padded
  size_t shared_block_ = SIZE_MAX;   // index of the block that small values go into
};

Status PartReader::ReadStart() {
  TRY_ASSIGN(const std::span<const std::byte> magic, in_.Bytes("magic", 4));
  if (Text(magic) != "GGUF") {
    std::vector<std::byte> start(std::min<uint64_t>(in_.file_size(), 64));
    TRY(source_.ReadAt(0, start));
    return Bad("GGUF_BAD_MAGIC", 0,
               fmt::format("this is no GGUF file; {}", DescribeFileStart(start)));
  }
  TRY_ASSIGN(out_.version, in_.Number<uint32_t>("version"));
  const uint32_t version = out_.version;
  if (version != 0 && (version & 0xFFFF) == 0) {
    return Bad("GGUF_ENDIAN", 4, "the file is big-endian; convert it to a little-endian GGUF file",
               ErrorCode::kUnsupported);
  }
  if (version != 2 && version != 3) {
    return Bad("GGUF_VERSION", 4,
               fmt::format("version {} is not supported (2 and 3 are){}", version,
                           version == 1 ? "; convert the model again with a newer converter" : ""));
  }
  return ReadCounts();
}

Status PartReader::ReadCounts() {
  const uint64_t at = in_.offset();
  TRY_ASSIGN(tensors_, in_.Number<uint64_t>("tensor count"));
  if (tensors_ > kMaxGgufTensors) {
    return Bad("GGUF_COUNT", at,
               fmt::format("tensor count is {}, the most is {}", tensors_, kMaxGgufTensors));
  }
  TRY_ASSIGN(keys_, in_.Number<uint64_t>("key count"));
  if (keys_ > kMaxGgufKeys) {
    return Bad("GGUF_COUNT", at + 8,
               fmt::format("key count is {}, the most is {}", keys_, kMaxGgufKeys));
  }
  const uint64_t least = tensors_ * kLeastTensorBytes + keys_ * kLeastKeyBytes;  // cannot wrap
  if (least > in_.left()) {
    return Bad("GGUF_TRUNCATED", in_.offset(),
               fmt::format("{} keys and {} tensors need at least {} bytes, {} left", keys_,
                           tensors_, least, in_.left()));
  }
  return {};
}

// ---- keys and values

Status PartReader::ReadKeys() {
  out_.entries.reserve(std::min<size_t>(keys_, kReservedKeys));
  for (uint64_t i = 0; i < keys_; ++i) TRY(ReadKey());
  TRY(CheckKeysUnique());
  return ReadAlignment();
}

Status PartReader::ReadKey() {
  const uint64_t at = in_.offset();
  TRY_ASSIGN(const uint64_t length, in_.Number<uint64_t>("key length"));
  if (length == 0) return Bad("GGUF_EMPTY_KEY", at, "a key of no letters");
  const bool longer_than_file = length >= in_.file_size() && length > kLongKeyBytes;
  if (length > kMaxGgufKeyBytes || longer_than_file) {
    return Bad("GGUF_STRING", at,
               fmt::format("key length is {}; the most is {}, the file has {} bytes", length,
                           kMaxGgufKeyBytes, in_.file_size()));
  }
  TRY_ASSIGN(const std::span<const std::byte> bytes, in_.Bytes("key", length));
  if (!IsPrintable(Text(bytes))) {
    return Bad("GGUF_NAME", at,
               fmt::format("the key '{}' is not printable UTF-8", Shown(Text(bytes))));
  }
  Metadata::Entry entry{std::string(Text(bytes)), {}};
  TRY(ReadValue(entry));
  out_.entries.push_back(std::move(entry));
  return {};
}

Status PartReader::ReadValue(Metadata::Entry& entry) {
  const uint64_t at = in_.offset();
  TRY_ASSIGN(const uint32_t type, in_.Number<uint32_t>("value type"));
  MetaValue& value = entry.value;
  value = {static_cast<MetaType>(type), false, 1, {}, in_.offset()};
  std::vector<std::byte> bytes;
  if (value.type == MetaType::kString) {
    TRY(ReadString(bytes));
  } else if (value.type == MetaType::kArray) {
    TRY(ReadArray(value, bytes));
  } else if (const uint32_t size = MetaTypeBytes(type); size > 0) {
    TRY(in_.Append(entry.key, size, bytes));
    if (value.type == MetaType::kBool) TRY(CheckBools(bytes, value.offset));
  } else {
    return Bad("GGUF_TYPE", at,
               fmt::format("{}: value type {} does not exist", Shown(entry.key), type));
  }
  value_bytes_ += bytes.size();
  value.bytes = Keep(std::move(bytes), value.is_array && entry.key.starts_with("tokenizer."));
  return {};
}

Status PartReader::CheckTotal(uint64_t more, std::string_view key, uint64_t offset) {
  if (more <= kMaxMetadataBytes - value_bytes_) return {};
  return Bad(key, offset,
             fmt::format("the metadata has more than {} bytes in all", kMaxMetadataBytes));
}

// The length and the bytes of a string.
Status PartReader::ReadString(std::vector<std::byte>& bytes) {
  const uint64_t at = in_.offset();
  TRY_ASSIGN(const uint64_t length, in_.Number<uint64_t>("string length"));
  if (length > kMaxGgufStringBytes) {
    return Bad("GGUF_STRING", at,
               fmt::format("string length is {}, the most is {}", length, kMaxGgufStringBytes));
  }
  TRY(CheckTotal(bytes.size() + 8 + length, "GGUF_STRING", at));
  const auto* raw = reinterpret_cast<const std::byte*>(&length);
  bytes.insert(bytes.end(), raw, raw + sizeof(length));
  return in_.Append("string", length, bytes);
}

Status PartReader::ReadArray(MetaValue& value, std::vector<std::byte>& bytes) {
  const uint64_t at = in_.offset();
  TRY_ASSIGN(const uint32_t type, in_.Number<uint32_t>("array item type"));
  value.type = static_cast<MetaType>(type);
  value.is_array = true;
  if (value.type == MetaType::kArray) {
    return Bad("GGUF_NESTED", at, "arrays of arrays are not supported");
  }
  const uint32_t size = MetaTypeBytes(type);
  if (size == 0 && value.type != MetaType::kString) {
    return Bad("GGUF_TYPE", at, fmt::format("array item type {} does not exist", type));
  }
  TRY_ASSIGN(value.count, in_.Number<uint64_t>("array length"));
  const uint64_t total = value.count > kMaxGgufArrayItems ? 0 : value.count * size;
  if (value.count > kMaxGgufArrayItems || total >= in_.file_size()) {
    return Bad("GGUF_ARRAY", at + 4,
               fmt::format("an array of {} items of {}; the most is {}, the file has {} bytes",
                           value.count, Name(value.type), kMaxGgufArrayItems, in_.file_size()));
  }
  if (value.type == MetaType::kString) return ReadStringItems(value.count, bytes);
  TRY(CheckTotal(total, "GGUF_ARRAY", at));
  const uint64_t items_at = in_.offset();
  TRY(in_.Append("array", total, bytes));
  return value.type == MetaType::kBool ? CheckBools(bytes, items_at) : Status();
}

// The items of an array whose real end only its strings tell. If more items are announced than fit,
// a length that makes no sense is the array's fault: what follows the array was read as a string.
Status PartReader::ReadStringItems(uint64_t count, std::vector<std::byte>& bytes) {
  const uint64_t array_at = in_.offset();
  const bool too_many = count > in_.left() / 8;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t at = in_.offset();
    Status item = ReadString(bytes);
    if (item) continue;
    if (!too_many || IsCutShort(item.error(), at, bytes)) return item;
    return Bad("GGUF_ARRAY", array_at - 8,
               fmt::format("an array of {} strings, but what follows item {} at byte {} is none",
                           count, i, at));
  }
  bytes.shrink_to_fit();
  return {};
}

// Whether a string of an array, which starts at `at`, failed because the file ends within it, and
// not because its length (then the last of `bytes`) is more than any file of this size could hold.
bool PartReader::IsCutShort(const Error& error, uint64_t at,
                            const std::vector<std::byte>& bytes) const {
  if (error.key != "GGUF_TRUNCATED") return false;
  if (in_.offset() == at) return true;  // not even the length is there
  uint64_t length;
  std::memcpy(&length, bytes.data() + bytes.size() - sizeof(length), sizeof(length));
  return length < in_.file_size();
}

Status PartReader::CheckBools(std::span<const std::byte> bools, uint64_t offset) {
  for (size_t i = 0; i < bools.size(); ++i) {
    if (bools[i] > std::byte{1}) {
      return Bad("GGUF_BOOL", offset + i,
                 fmt::format("a bool is {}, not 0 or 1", static_cast<unsigned>(bools[i])));
    }
  }
  return {};
}

// Small values share blocks; those who hold spans into a block rely on its never growing past the
// room it was made with.
std::span<const std::byte> PartReader::Keep(std::vector<std::byte> bytes, bool alone) {
  if (alone || bytes.size() > kLargeValueBytes) {
    if (bytes.empty()) return {};
    return out_.blocks.emplace_back(std::move(bytes));
  }
  const auto room = [this] {
    const std::vector<std::byte>& block = out_.blocks[shared_block_];
    return block.capacity() - block.size();
  };
  if (shared_block_ == SIZE_MAX || room() < bytes.size()) {
    shared_block_ = out_.blocks.size();
    out_.blocks.emplace_back().reserve(kSharedBlockBytes);
  }
  std::vector<std::byte>& block = out_.blocks[shared_block_];
  const size_t begin = block.size();
  block.insert(block.end(), bytes.begin(), bytes.end());
  return std::span(block).subspan(begin);
}

Status PartReader::CheckKeysUnique() {
  std::vector<uint32_t> order(out_.entries.size());
  std::iota(order.begin(), order.end(), 0);
  const auto key = [this](uint32_t i) -> const std::string& { return out_.entries[i].key; };
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const int compared = key(a).compare(key(b));
    return compared != 0 ? compared < 0 : a < b;
  });
  const auto equal = [&](uint32_t a, uint32_t b) { return key(a) == key(b); };
  const auto found = std::adjacent_find(order.begin(), order.end(), equal);
  if (found == order.end()) return {};
  const Metadata::Entry& second = out_.entries[found[1]];
  return Bad("GGUF_DUP_KEY", second.value.offset,
             fmt::format("the key '{}' is there twice", Shown(second.key)));
}

Status PartReader::ReadAlignment() {
  for (const Metadata::Entry& entry : out_.entries) {
    if (entry.key != "general.alignment") continue;
    const MetaValue& value = entry.value;
    if (value.is_array || value.type != MetaType::kU32) {
      return Bad("GGUF_ALIGN", value.offset, "general.alignment is no u32");
    }
    uint32_t alignment;
    std::memcpy(&alignment, value.bytes.data(), sizeof(alignment));
    if (!IsPowerOfTwo(alignment) || alignment > kMaxGgufAlignment) {
      return Bad("GGUF_ALIGN", value.offset,
                 fmt::format("general.alignment is {}, expected a power of two up to {}", alignment,
                             kMaxGgufAlignment));
    }
    out_.alignment = alignment;
  }
  return {};
}

// ---- tensors

Status PartReader::ReadTensors() {
  out_.tensors.reserve(CountTensorRecords());
  for (uint64_t i = 0; i < tensors_; ++i) TRY(ReadTensor());
  out_.data_offset = RoundUp(in_.offset(), out_.alignment);
  return {};
}

// How many of the announced records are there: makes room for them and no more. What stops the
// count is damage, which reading them finds again and reports.
uint64_t PartReader::CountTensorRecords() const {
  HeaderReader in(source_, "GGUF_TRUNCATED", in_.offset());
  for (uint64_t i = 0; i < tensors_; ++i) {
    const Result<uint64_t> length = in.Number<uint64_t>("");
    if (!length || *length == 0 || *length > kMaxTensorNameBytes) return i;
    if (!in.Bytes("", *length)) return i;
    const Result<uint32_t> n_dims = in.Number<uint32_t>("");
    if (!n_dims || *n_dims == 0 || *n_dims > kMaxTensorDims) return i;
    if (!in.Bytes("", *n_dims * 8 + 4 + 8)) return i;
  }
  return tensors_;
}

Status PartReader::ReadTensor() {
  const uint64_t at = in_.offset();
  TRY_ASSIGN(const uint64_t length, in_.Number<uint64_t>("tensor name length"));
  if (length == 0) return Bad("GGUF_NAME", at, "a tensor without a name");
  if (length > kMaxTensorNameBytes) {
    return Bad(
        "GGUF_STRING", at,
        fmt::format("tensor name length is {}, the most is {}", length, kMaxTensorNameBytes));
  }
  TRY_ASSIGN(const std::span<const std::byte> name, in_.Bytes("tensor name", length));
  if (!IsPrintable(Text(name))) {
    return Bad("GGUF_NAME", at,
               fmt::format("the tensor name '{}' is not printable UTF-8", Shown(Text(name))));
  }
  TensorInfo tensor{std::string(Text(name)), DType::kF32, 0, {1, 1, 1, 1}, 0, 0, 0};
  uint64_t elements = 1;
  TRY(ReadShape(tensor, elements));
  const uint64_t type_at = in_.offset();
  TRY(ReadTensorType(tensor));
  TRY(SetTensorBytes(tensor, elements, type_at));
  const uint64_t offset_at = in_.offset();
  TRY_ASSIGN(tensor.offset, in_.Number<uint64_t>("tensor offset"));
  if (tensor.offset % out_.alignment != 0) {
    return Bad("GGUF_TENSOR_RANGE", offset_at,
               fmt::format("{}: offset {} is no multiple of the alignment {}", tensor.name,
                           tensor.offset, out_.alignment));
  }
  out_.tensors.push_back(std::move(tensor));
  return {};
}

Status PartReader::ReadShape(TensorInfo& tensor, uint64_t& elements) {
  const uint64_t at = in_.offset();
  TRY_ASSIGN(tensor.n_dims, in_.Number<uint32_t>("number of dimensions"));
  if (tensor.n_dims == 0 || tensor.n_dims > kMaxTensorDims) {
    return Bad("GGUF_DIMS", at,
               fmt::format("{}: {} dimensions, expected 1 to {}", tensor.name, tensor.n_dims,
                           kMaxTensorDims));
  }
  for (uint32_t i = 0; i < tensor.n_dims; ++i) {
    const uint64_t dim_at = in_.offset();
    TRY_ASSIGN(const uint64_t dim, in_.Number<uint64_t>("dimension"));
    tensor.dims[i] = dim;
    if (dim == 0) {
      return Bad("GGUF_ZERO_DIM", dim_at, fmt::format("{}: dimension {} is 0", tensor.name, i + 1));
    }
    const std::optional<uint64_t> product = CheckedMul(elements, dim);
    if (!product || *product > uint64_t{INT64_MAX}) {  // others keep sizes in 63 bits
      return Bad("GGUF_SHAPE_OVERFLOW", dim_at,
                 fmt::format("{}: dimension {} is {}: more elements than can be counted",
                             tensor.name, i + 1, dim));
    }
    elements = *product;
  }
  return {};
}

Status PartReader::ReadTensorType(TensorInfo& tensor) {
  const uint64_t at = in_.offset();
  TRY_ASSIGN(const uint32_t id, in_.Number<uint32_t>("tensor type"));
  if (const std::optional<DType> type = DTypeFromGguf(id)) {
    tensor.type = *type;
    return {};
  }
  if (const std::string_view name = GgufTensorTypeName(id); !name.empty()) {
    return Bad("GGUF_TENSOR_TYPE", at,
               fmt::format("{}: tensors of type {} are not supported", tensor.name, name),
               ErrorCode::kUnsupported);
  }
  return Bad("GGUF_TENSOR_TYPE", at,
             fmt::format("{}: tensor type {} {}", tensor.name, id,
                         IsRemovedGgufTensorType(id) ? "was removed from GGUF" : "does not exist"));
}

Status PartReader::SetTensorBytes(TensorInfo& tensor, uint64_t elements, uint64_t offset) {
  const DTypeInfo& type = Info(tensor.type);
  if (tensor.dims[0] % type.block_elements != 0) {
    return Bad("GGUF_BLOCK", offset,
               fmt::format("{}: rows of {} elements, but {} stores blocks of {}", tensor.name,
                           tensor.dims[0], type.name, type.block_elements));
  }
  const std::optional<uint64_t> bytes =
      CheckedMul(elements / type.block_elements, type.block_bytes);
  const std::optional<uint64_t> padded =
      bytes ? CheckedRoundUp(*bytes, out_.alignment) : std::nullopt;
  const std::optional<uint64_t> sum = padded ? CheckedAdd(data_bytes_, *padded) : std::nullopt;
  if (!sum) {
    return Bad("GGUF_SIZE_OVERFLOW", offset,
               fmt::format("{}: {} elements of {}: more bytes than can be counted", tensor.name,
                           elements, type.name));
  }
  tensor.bytes = *bytes;
  data_bytes_ = *sum;
  return {};
}

}  // namespace

Status ReadGgufPart(const ByteSource& source, GgufPart& out) {
  return PartReader(source, out).Read();
}

}  // namespace tinyai
