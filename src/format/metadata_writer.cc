#include "format/metadata_writer.h"

#include "format/put_bytes.h"

namespace tinyai {

void MetadataWriter::AddBytes(std::string_view key, MetaType type,
                              std::span<const std::byte> value) {
  PutText<uint64_t>(bytes_, key);
  PutField(bytes_, static_cast<uint32_t>(type));
  PutBytes(bytes_, value);
  ++keys_;
}

void MetadataWriter::AddArrayBytes(std::string_view key, MetaType type, uint64_t count,
                                   std::span<const std::byte> items) {
  std::vector<std::byte> value;
  PutField(value, static_cast<uint32_t>(type));
  PutField(value, count);
  PutBytes(value, items);
  AddBytes(key, MetaType::kArray, value);
}

void MetadataWriter::AddString(std::string_view key, std::string_view value) {
  std::vector<std::byte> bytes;
  PutText<uint64_t>(bytes, value);
  AddBytes(key, MetaType::kString, bytes);
}

void MetadataWriter::AddStrings(std::string_view key, std::span<const std::string> items) {
  std::vector<std::byte> bytes;
  for (const std::string& item : items) PutText<uint64_t>(bytes, item);
  AddArrayBytes(key, MetaType::kString, items.size(), bytes);
}

void MetadataWriter::AddValue(std::string_view key, const MetaValue& value) {
  if (value.is_array) {
    AddArrayBytes(key, value.type, value.count, value.bytes);
  } else {
    AddBytes(key, value.type, value.bytes);
  }
}

}  // namespace tinyai
