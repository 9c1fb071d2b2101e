#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/model_file.h"

namespace tinyai {

// Puts metadata together as it lies in a file: keys one after the other, each a string, a type and
// a value (gguf_part.cc has the layout). Values are written as given: the caller makes sure that
// keys are unique.
class MetadataWriter {
 public:
  void AddBool(std::string_view key, bool value) { AddRaw(key, MetaType::kBool, value); }
  void AddU32(std::string_view key, uint32_t value) { AddRaw(key, MetaType::kU32, value); }
  void AddI32(std::string_view key, int32_t value) { AddRaw(key, MetaType::kI32, value); }
  void AddU64(std::string_view key, uint64_t value) { AddRaw(key, MetaType::kU64, value); }
  void AddF32(std::string_view key, float value) { AddRaw(key, MetaType::kF32, value); }
  void AddString(std::string_view key, std::string_view value);
  // A scalar of any type of fixed size; `T` has the size of `type`.
  template <typename T>
  void AddRaw(std::string_view key, MetaType type, T value) {
    AddBytes(key, type, std::as_bytes(std::span(&value, 1)));
  }

  void AddStrings(std::string_view key, std::span<const std::string> items);
  // An array of numbers; `T` has the size of `type`.
  template <typename T>
  void AddNumbers(std::string_view key, MetaType type, std::span<const T> items) {
    AddArrayBytes(key, type, items.size(), std::as_bytes(items));
  }
  // Any value, as its bytes lie in the file after the type id, for copying keys between files.
  void AddValue(std::string_view key, const MetaValue& value);

  uint64_t key_count() const { return keys_; }
  std::span<const std::byte> key_bytes() const { return bytes_; }

 private:
  void AddBytes(std::string_view key, MetaType type, std::span<const std::byte> value);
  void AddArrayBytes(std::string_view key, MetaType type, uint64_t count,
                     std::span<const std::byte> items);

  uint64_t keys_ = 0;
  std::vector<std::byte> bytes_;
};

}  // namespace tinyai
