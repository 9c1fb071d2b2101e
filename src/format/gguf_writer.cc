#include "format/gguf_writer.h"

#include <cstring>

#include "base/checked.h"

namespace tinyai {
namespace {

using Bytes = std::vector<std::byte>;

void Put(Bytes& out, std::span<const std::byte> bytes) {
  const size_t size = out.size();
  out.resize(size + bytes.size());
  if (!bytes.empty()) std::memcpy(out.data() + size, bytes.data(), bytes.size());
}

template <typename T>
void PutNumber(Bytes& out, T value) {
  Put(out, std::as_bytes(std::span(&value, 1)));
}

void PutString(Bytes& out, std::string_view text) {
  PutNumber<uint64_t>(out, text.size());
  Put(out, std::as_bytes(std::span(text)));
}

}  // namespace

void GgufWriter::AddBytes(std::string_view key, MetaType type, std::span<const std::byte> value) {
  PutString(key_bytes_, key);
  PutNumber(key_bytes_, static_cast<uint32_t>(type));
  Put(key_bytes_, value);
  ++keys_;
}

void GgufWriter::AddArrayBytes(std::string_view key, MetaType type, uint64_t count,
                               std::span<const std::byte> items) {
  Bytes value;
  PutNumber(value, static_cast<uint32_t>(type));
  PutNumber(value, count);
  Put(value, items);
  AddBytes(key, MetaType::kArray, value);
}

void GgufWriter::AddString(std::string_view key, std::string_view value) {
  Bytes bytes;
  PutString(bytes, value);
  AddBytes(key, MetaType::kString, bytes);
}

void GgufWriter::AddStrings(std::string_view key, std::span<const std::string> items) {
  Bytes bytes;
  for (const std::string& item : items) PutString(bytes, item);
  AddArrayBytes(key, MetaType::kString, items.size(), bytes);
}

void GgufWriter::AddValue(std::string_view key, const MetaValue& value) {
  if (value.is_array) {
    AddArrayBytes(key, value.type, value.count, value.bytes);
  } else {
    AddBytes(key, value.type, value.bytes);
  }
}

void GgufWriter::SetAlignment(uint32_t alignment) {
  AddU32("general.alignment", alignment);
  alignment_ = alignment;
}

void GgufWriter::AddTensor(std::string_view name, DType type, std::span<const uint64_t> dims) {
  uint64_t rows = 1;
  for (const uint64_t dim : dims.subspan(1)) rows *= dim;
  uint64_t offset = 0;
  if (!tensors_.empty()) {
    offset = RoundUp(tensors_.back().offset + tensors_.back().bytes, alignment_);
  }
  tensors_.push_back({std::string(name),
                      type,
                      {dims.begin(), dims.end()},
                      offset,
                      rows * RowBytes(type, dims[0])});
}

std::vector<std::byte> GgufWriter::Header() const {
  Bytes out;
  Put(out, std::as_bytes(std::span(std::string_view("GGUF"))));
  PutNumber(out, version_);
  PutNumber<uint64_t>(out, tensors_.size());
  PutNumber(out, keys_);
  Put(out, key_bytes_);
  for (const Tensor& tensor : tensors_) {
    PutString(out, tensor.name);
    PutNumber(out, static_cast<uint32_t>(tensor.dims.size()));
    for (const uint64_t dim : tensor.dims) PutNumber(out, dim);
    PutNumber(out, static_cast<uint32_t>(tensor.type));
    PutNumber(out, tensor.offset);
  }
  out.resize(RoundUp(out.size(), alignment_));
  return out;
}

uint64_t GgufWriter::Padding(size_t index) const {
  return RoundUp(tensors_[index].bytes, alignment_) - tensors_[index].bytes;
}

std::vector<std::byte> BuildGguf(const GgufWriter& writer,
                                 std::span<const std::vector<std::byte>> data) {
  Bytes out = writer.Header();
  for (size_t i = 0; i < data.size(); ++i) {
    Put(out, data[i]);
    out.resize(out.size() + writer.Padding(i));
  }
  return out;
}

}  // namespace tinyai
