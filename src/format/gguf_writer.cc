#include "format/gguf_writer.h"

#include "base/checked.h"
#include "format/put_bytes.h"

namespace tinyai {
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
  std::vector<std::byte> out;
  PutBytes(out, std::as_bytes(std::span(std::string_view("GGUF"))));
  PutField(out, version_);
  PutField<uint64_t>(out, tensors_.size());
  PutField(out, key_count());
  PutBytes(out, key_bytes());
  for (const Tensor& tensor : tensors_) {
    PutText<uint64_t>(out, tensor.name);
    PutField(out, static_cast<uint32_t>(tensor.dims.size()));
    for (const uint64_t dim : tensor.dims) PutField(out, dim);
    PutField(out, static_cast<uint32_t>(tensor.type));
    PutField(out, tensor.offset);
  }
  out.resize(RoundUp(out.size(), alignment_));
  return out;
}

uint64_t GgufWriter::Padding(size_t index) const {
  return RoundUp(tensors_[index].bytes, alignment_) - tensors_[index].bytes;
}

std::vector<std::byte> BuildGguf(const GgufWriter& writer,
                                 std::span<const std::vector<std::byte>> data) {
  std::vector<std::byte> out = writer.Header();
  for (size_t i = 0; i < data.size(); ++i) {
    PutBytes(out, data[i]);
    out.resize(out.size() + writer.Padding(i));
  }
  return out;
}

}  // namespace tinyai
