#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/byte_reader.h"
#include "base/escape.h"
#include "fmt/format.h"
#include "format/gguf_types.h"
#include "format/model_file.h"

namespace tinyai {
namespace {

std::string Found(const MetaValue& value) {
  if (value.is_array) return fmt::format("an array of {} {}", value.count, Name(value.type));
  return std::string(Name(value.type));
}

tl::unexpected<Error> WrongType(std::string_view key, const MetaValue& value,
                                std::string_view wanted) {
  return FailAt(ErrorCode::kBadFile, "MODEL_HPARAM",
                fmt::format("{}: found {}, expected {}", EscapeControl(key), Found(value), wanted),
                {}, value.offset);
}

tl::unexpected<Error> WrongItems(std::string_view key, const MetaValue& value,
                                 std::string_view wanted) {
  return FailAt(ErrorCode::kBadFile, "GGUF_ARRAY_TYPE",
                fmt::format("{}: found {}, expected {}", EscapeControl(key), Found(value), wanted),
                {}, value.offset);
}

template <typename T>
T Load(std::span<const std::byte> bytes, uint64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

bool IsInteger(MetaType type) {
  switch (type) {
    case MetaType::kU8:
    case MetaType::kI8:
    case MetaType::kU16:
    case MetaType::kI16:
    case MetaType::kU32:
    case MetaType::kI32:
    case MetaType::kU64:
    case MetaType::kI64:
      return true;
    default:
      return false;
  }
}

bool IsFloat(MetaType type) { return type == MetaType::kF32 || type == MetaType::kF64; }

// An integer of a file: `negative` tells how to read `bits`.
struct Integer {
  uint64_t bits;
  bool negative;
};

Integer FromSigned(int64_t value) { return {static_cast<uint64_t>(value), value < 0}; }

// `value` is of an integer type and has an item `index`.
Integer LoadInteger(const MetaValue& value, uint64_t index) {
  switch (value.type) {
    case MetaType::kU8:
      return {Load<uint8_t>(value.bytes, index), false};
    case MetaType::kI8:
      return FromSigned(Load<int8_t>(value.bytes, index));
    case MetaType::kU16:
      return {Load<uint16_t>(value.bytes, index), false};
    case MetaType::kI16:
      return FromSigned(Load<int16_t>(value.bytes, index));
    case MetaType::kU32:
      return {Load<uint32_t>(value.bytes, index), false};
    case MetaType::kI32:
      return FromSigned(Load<int32_t>(value.bytes, index));
    case MetaType::kU64:
      return {Load<uint64_t>(value.bytes, index), false};
    default:
      return FromSigned(Load<int64_t>(value.bytes, index));
  }
}

double LoadFloat(const MetaValue& value, uint64_t index) {
  return value.type == MetaType::kF32 ? Load<float>(value.bytes, index)
                                      : Load<double>(value.bytes, index);
}

// Items that are really there; a dropped array has none.
uint64_t ItemCount(const MetaValue& value) {
  const uint32_t size = MetaTypeBytes(static_cast<uint32_t>(value.type));
  return size == 0 ? 0 : std::min<uint64_t>(value.count, value.bytes.size() / size);
}

bool IsTokenizerArray(const Metadata::Entry& entry) {
  return entry.value.is_array && entry.key.starts_with("tokenizer.");
}

}  // namespace

Metadata::Metadata(std::vector<std::vector<std::byte>> blocks, std::vector<Entry> entries)
    : blocks_(std::move(blocks)), entries_(std::move(entries)) {
  for (size_t i = 0; i < entries_.size(); ++i) index_.emplace(entries_[i].key, i);
}

const MetaValue* Metadata::Find(std::string_view key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &entries_[found->second].value;
}

Result<std::optional<uint64_t>> Metadata::OptionalUint(std::string_view key) const {
  const MetaValue* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || !IsInteger(value->type)) return WrongType(key, *value, "an integer");
  if (ItemCount(*value) == 0) return WrongType(key, *value, "an integer");
  const Integer integer = LoadInteger(*value, 0);
  if (integer.negative) {
    return FailAt(ErrorCode::kBadFile, "MODEL_HPARAM",
                  fmt::format("{} is {}, expected no negative number", EscapeControl(key),
                              static_cast<int64_t>(integer.bits)),
                  {}, value->offset);
  }
  return integer.bits;
}

Result<std::optional<double>> Metadata::OptionalFloat(std::string_view key) const {
  const MetaValue* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || !IsFloat(value->type) || ItemCount(*value) == 0) {
    return WrongType(key, *value, "a floating-point number (f32 or f64)");
  }
  return LoadFloat(*value, 0);
}

Result<std::optional<bool>> Metadata::OptionalBool(std::string_view key) const {
  const MetaValue* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || value->type != MetaType::kBool || ItemCount(*value) == 0) {
    return WrongType(key, *value, "a bool");
  }
  return Load<uint8_t>(value->bytes, 0) != 0;
}

Result<std::optional<std::string_view>> Metadata::OptionalString(std::string_view key) const {
  const MetaValue* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || value->type != MetaType::kString || value->bytes.size() < 8) {
    return WrongType(key, *value, "a string");
  }
  return std::string_view(reinterpret_cast<const char*>(value->bytes.data()) + 8,
                          value->bytes.size() - 8);
}

Result<std::optional<std::vector<int64_t>>> Metadata::OptionalInts(std::string_view key) const {
  const MetaValue* value = Find(key);
  if (value == nullptr) return std::nullopt;
  constexpr std::string_view kWanted = "an array of integers";
  if (!IsInteger(value->type)) {
    return value->is_array ? WrongItems(key, *value, kWanted) : WrongType(key, *value, kWanted);
  }
  const uint64_t count = ItemCount(*value);
  std::vector<int64_t> items;
  items.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const Integer integer = LoadInteger(*value, i);
    if (!integer.negative && integer.bits > uint64_t{std::numeric_limits<int64_t>::max()}) {
      return FailAt(ErrorCode::kBadFile, "MODEL_HPARAM",
                    fmt::format("{}: item {} is {}, expected at most 2^63-1", EscapeControl(key), i,
                                integer.bits),
                    {}, value->offset);
    }
    items.push_back(static_cast<int64_t>(integer.bits));
  }
  return items;
}

Result<std::optional<std::vector<float>>> Metadata::OptionalFloats(std::string_view key) const {
  const MetaValue* value = Find(key);
  if (value == nullptr) return std::nullopt;
  constexpr std::string_view kWanted = "an array of f32 or f64";
  if (!IsFloat(value->type)) {
    return value->is_array ? WrongItems(key, *value, kWanted) : WrongType(key, *value, kWanted);
  }
  const uint64_t count = ItemCount(*value);
  std::vector<float> items;
  items.reserve(count);
  for (uint64_t i = 0; i < count; ++i) items.push_back(static_cast<float>(LoadFloat(*value, i)));
  return items;
}

Status Metadata::VisitStrings(
    std::string_view key, const std::function<Status(uint64_t, std::string_view)>& visit) const {
  const MetaValue* value = Find(key);
  if (value == nullptr) {
    return Fail(
        ErrorCode::kBadFile, "GGUF_ARRAY_TYPE",
        fmt::format("{}: not in the file, expected an array of strings", EscapeControl(key)));
  }
  if (!value->is_array || value->type != MetaType::kString) {
    return WrongItems(key, *value, "an array of strings");
  }
  ByteReader in(value->bytes, "GGUF_TRUNCATED", value->offset);
  for (uint64_t i = 0; i < value->count; ++i) {
    TRY_ASSIGN(const uint64_t size, in.Number<uint64_t>("string length"));
    TRY_ASSIGN(const std::span<const std::byte> bytes, in.Bytes("string", size));
    TRY(visit(i, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  }
  return {};
}

void Metadata::DropTokenizerArrays() {
  std::vector<const std::byte*> dropped;
  for (Entry& entry : entries_) {
    if (!IsTokenizerArray(entry) || entry.value.bytes.empty()) continue;
    dropped.push_back(entry.value.bytes.data());
    entry.value.bytes = {};
    entry.value.count = 0;
  }
  std::sort(dropped.begin(), dropped.end());
  std::erase_if(blocks_, [&dropped](const std::vector<std::byte>& block) {
    return std::binary_search(dropped.begin(), dropped.end(), block.data());
  });
}

uint64_t Metadata::memory_bytes() const {
  uint64_t bytes = 0;
  for (const std::vector<std::byte>& block : blocks_) bytes += block.capacity();
  return bytes;
}

namespace {

auto NameOf(const std::vector<TensorInfo>& tensors) {
  return [&tensors](uint32_t index) -> std::string_view { return tensors[index].name; };
}

}  // namespace

const TensorInfo* ModelFile::FindTensor(std::string_view name) const {
  const auto found = std::ranges::lower_bound(by_name, name, {}, NameOf(tensors));
  if (found == by_name.end() || tensors[*found].name != name) return nullptr;
  return &tensors[*found];
}

uint64_t ModelFile::TensorBytes() const {
  uint64_t bytes = 0;
  for (const TensorInfo& tensor : tensors) bytes += tensor.bytes;
  return bytes;
}

void ModelFile::IndexTensors() {
  by_name.resize(tensors.size());
  std::iota(by_name.begin(), by_name.end(), 0);
  std::ranges::stable_sort(by_name, {}, NameOf(tensors));
}

}  // namespace tinyai
