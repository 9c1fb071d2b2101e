#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/checked.h"
#include "fmt/format.h"
#include "format/gguf_sections.h"
#include "format/gguf_types.h"
#include "format/limits.h"

namespace tinyai {
namespace {

constexpr size_t kReservedKeys = 65'536;  // made room for at once, however many are announced
constexpr size_t kSharedBlockBytes = size_t{64} << 10;
constexpr size_t kLargeValueBytes = size_t{16} << 10;
// A key that is longer than this and than the whole file is no key cut short by the file's end.
constexpr uint64_t kLongKeyBytes = 128;

class KeysReader {
 public:
  KeysReader(GgufInput& in, uint64_t count, GgufPart& out) : in_(in), count_(count), out_(out) {}

  Status ReadKeys();

 private:
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

  GgufInput& in_;
  const uint64_t count_;
  GgufPart& out_;
  uint64_t value_bytes_ = 0;        // of all values so far
  size_t shared_block_ = SIZE_MAX;  // index of the block that small values go into
};

Status KeysReader::ReadKeys() {
  out_.entries.reserve(std::min<size_t>(count_, kReservedKeys));
  for (uint64_t i = 0; i < count_; ++i) TRY(ReadKey());
  TRY(CheckKeysUnique());
  return ReadAlignment();
}

Status KeysReader::ReadKey() {
  const uint64_t at = in_.offset();
  TRY_ASSIGN(const uint64_t length, in_.Number<uint64_t>("key length"));
  if (length == 0) return in_.Bad("GGUF_EMPTY_KEY", at, "a key of no letters");
  const bool longer_than_file = length >= in_.file_size() && length > kLongKeyBytes;
  if (length > kMaxGgufKeyBytes || longer_than_file) {
    return in_.Bad("GGUF_STRING", at,
                   fmt::format("key length is {}; the most is {}, the file has {} bytes", length,
                               kMaxGgufKeyBytes, in_.file_size()));
  }
  TRY_ASSIGN(const std::span<const std::byte> bytes, in_.Bytes("key", length));
  if (!IsPrintable(AsText(bytes))) {
    return in_.Bad("GGUF_NAME", at,
                   fmt::format("the key '{}' is not printable UTF-8", Shown(AsText(bytes))));
  }
  Metadata::Entry entry{std::string(AsText(bytes)), {}};
  TRY(ReadValue(entry));
  out_.entries.push_back(std::move(entry));
  return {};
}

Status KeysReader::ReadValue(Metadata::Entry& entry) {
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
    return in_.Bad("GGUF_TYPE", at,
                   fmt::format("{}: value type {} does not exist", Shown(entry.key), type));
  }
  value_bytes_ += bytes.size();
  value.bytes = Keep(std::move(bytes), value.is_array && entry.key.starts_with("tokenizer."));
  return {};
}

Status KeysReader::CheckTotal(uint64_t more, std::string_view key, uint64_t offset) {
  if (more <= kMaxMetadataBytes - value_bytes_) return {};
  return in_.Bad(key, offset,
                 fmt::format("the metadata has more than {} bytes in all", kMaxMetadataBytes));
}

// The length and the bytes of a string.
Status KeysReader::ReadString(std::vector<std::byte>& bytes) {
  const uint64_t at = in_.offset();
  TRY_ASSIGN(const uint64_t length, in_.Number<uint64_t>("string length"));
  if (length > kMaxGgufStringBytes) {
    return in_.Bad("GGUF_STRING", at,
                   fmt::format("string length is {}, the most is {}", length, kMaxGgufStringBytes));
  }
  TRY(CheckTotal(bytes.size() + 8 + length, "GGUF_STRING", at));
  const auto* raw = reinterpret_cast<const std::byte*>(&length);
  bytes.insert(bytes.end(), raw, raw + sizeof(length));
  return in_.Append("string", length, bytes);
}

Status KeysReader::ReadArray(MetaValue& value, std::vector<std::byte>& bytes) {
  const uint64_t at = in_.offset();
  TRY_ASSIGN(const uint32_t type, in_.Number<uint32_t>("array item type"));
  value.type = static_cast<MetaType>(type);
  value.is_array = true;
  if (value.type == MetaType::kArray) {
    return in_.Bad("GGUF_NESTED", at, "arrays of arrays are not supported");
  }
  const uint32_t size = MetaTypeBytes(type);
  if (size == 0 && value.type != MetaType::kString) {
    return in_.Bad("GGUF_TYPE", at, fmt::format("array item type {} does not exist", type));
  }
  TRY_ASSIGN(value.count, in_.Number<uint64_t>("array length"));
  const uint64_t total = value.count > kMaxGgufArrayItems ? 0 : value.count * size;
  if (value.count > kMaxGgufArrayItems || total >= in_.file_size()) {
    return in_.Bad("GGUF_ARRAY", at + 4,
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
Status KeysReader::ReadStringItems(uint64_t count, std::vector<std::byte>& bytes) {
  const uint64_t array_at = in_.offset();
  const bool too_many = count > in_.left() / 8;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t at = in_.offset();
    Status item = ReadString(bytes);
    if (item) continue;
    if (!too_many || IsCutShort(item.error(), at, bytes)) return item;
    return in_.Bad(
        "GGUF_ARRAY", array_at - 8,
        fmt::format("an array of {} strings, but what follows item {} at byte {} is none", count, i,
                    at));
  }
  bytes.shrink_to_fit();
  return {};
}

// Whether a string of an array, which starts at `at`, failed because the file ends within it, and
// not because its length (then the last of `bytes`) is more than any file of this size could hold.
bool KeysReader::IsCutShort(const Error& error, uint64_t at,
                            const std::vector<std::byte>& bytes) const {
  if (error.key != "GGUF_TRUNCATED") return false;
  if (in_.offset() == at) return true;  // not even the length is there
  uint64_t length;
  std::memcpy(&length, bytes.data() + bytes.size() - sizeof(length), sizeof(length));
  return length < in_.file_size();
}

Status KeysReader::CheckBools(std::span<const std::byte> bools, uint64_t offset) {
  for (size_t i = 0; i < bools.size(); ++i) {
    if (bools[i] > std::byte{1}) {
      return in_.Bad("GGUF_BOOL", offset + i,
                     fmt::format("a bool is {}, not 0 or 1", static_cast<unsigned>(bools[i])));
    }
  }
  return {};
}

// Small values share blocks; those who hold spans into a block rely on its never growing past the
// room it was made with.
std::span<const std::byte> KeysReader::Keep(std::vector<std::byte> bytes, bool alone) {
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

Status KeysReader::CheckKeysUnique() {
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
  return in_.Bad("GGUF_DUP_KEY", second.value.offset,
                 fmt::format("the key '{}' is there twice", Shown(second.key)));
}

Status KeysReader::ReadAlignment() {
  for (const Metadata::Entry& entry : out_.entries) {
    if (entry.key != "general.alignment") continue;
    const MetaValue& value = entry.value;
    if (value.is_array || value.type != MetaType::kU32) {
      return in_.Bad("GGUF_ALIGN", value.offset, "general.alignment is no u32");
    }
    uint32_t alignment;
    std::memcpy(&alignment, value.bytes.data(), sizeof(alignment));
    if (!IsPowerOfTwo(alignment) || alignment > kMaxGgufAlignment) {
      return in_.Bad("GGUF_ALIGN", value.offset,
                     fmt::format("general.alignment is {}, expected a power of two up to {}",
                                 alignment, kMaxGgufAlignment));
    }
    out_.alignment = alignment;
  }
  return {};
}

}  // namespace

Status ReadGgufKeys(GgufInput& in, uint64_t count, GgufPart& out) {
  return KeysReader(in, count, out).ReadKeys();
}

}  // namespace tinyai
