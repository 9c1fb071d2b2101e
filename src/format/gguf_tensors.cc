#include "base/checked.h"
#include "fmt/format.h"
#include "format/gguf_sections.h"
#include "format/gguf_types.h"
#include "format/limits.h"

namespace tinyai {
namespace {

class TensorsReader {
 public:
  TensorsReader(GgufInput& in, uint64_t count, GgufPart& out) : in_(in), count_(count), out_(out) {}

  Status ReadTensors();

 private:
  uint64_t CountTensorRecords() const;
  Status ReadTensor();
  Status ReadShape(TensorInfo& tensor, uint64_t& elements);
  Status ReadTensorType(TensorInfo& tensor);
  Status SetTensorBytes(TensorInfo& tensor, uint64_t elements, uint64_t offset);

  GgufInput& in_;
  const uint64_t count_;
  GgufPart& out_;
  uint64_t data_bytes_ = 0;  // of all tensors so far, padded
};

Status TensorsReader::ReadTensors() {
  out_.tensors.reserve(CountTensorRecords());
  for (uint64_t i = 0; i < count_; ++i) TRY(ReadTensor());
  out_.data_offset = RoundUp(in_.offset(), out_.alignment);
  return {};
}

// How many of the announced records are there: makes room for them and no more. What stops the
// count is damage, which reading them finds again and reports.
uint64_t TensorsReader::CountTensorRecords() const {
  GgufInput in(in_.source(), in_.offset());
  for (uint64_t i = 0; i < count_; ++i) {
    const Result<uint64_t> length = in.Number<uint64_t>("");
    if (!length || *length == 0 || *length > kMaxTensorNameBytes) return i;
    if (!in.Bytes("", *length)) return i;
    const Result<uint32_t> n_dims = in.Number<uint32_t>("");
    if (!n_dims || *n_dims == 0 || *n_dims > kMaxTensorDims) return i;
    if (!in.Bytes("", *n_dims * 8 + 4 + 8)) return i;
  }
  return count_;
}

Status TensorsReader::ReadTensor() {
  const uint64_t at = in_.offset();
  TRY_ASSIGN(const uint64_t length, in_.Number<uint64_t>("tensor name length"));
  if (length == 0) return in_.Bad("GGUF_NAME", at, "a tensor without a name");
  if (length > kMaxTensorNameBytes) {
    return in_.Bad(
        "GGUF_STRING", at,
        fmt::format("tensor name length is {}, the most is {}", length, kMaxTensorNameBytes));
  }
  TRY_ASSIGN(const std::span<const std::byte> name, in_.Bytes("tensor name", length));
  if (!IsPrintable(AsText(name))) {
    return in_.Bad("GGUF_NAME", at,
                   fmt::format("the tensor name '{}' is not printable UTF-8", Shown(AsText(name))));
  }
  TensorInfo tensor{std::string(AsText(name)), DType::kF32, 0, {1, 1, 1, 1}, 0, 0, 0};
  uint64_t elements = 1;
  TRY(ReadShape(tensor, elements));
  const uint64_t type_at = in_.offset();
  TRY(ReadTensorType(tensor));
  TRY(SetTensorBytes(tensor, elements, type_at));
  const uint64_t offset_at = in_.offset();
  TRY_ASSIGN(tensor.offset, in_.Number<uint64_t>("tensor offset"));
  if (tensor.offset % out_.alignment != 0) {
    return in_.Bad("GGUF_TENSOR_RANGE", offset_at,
                   fmt::format("{}: offset {} is no multiple of the alignment {}", tensor.name,
                               tensor.offset, out_.alignment));
  }
  out_.tensors.push_back(std::move(tensor));
  return {};
}

Status TensorsReader::ReadShape(TensorInfo& tensor, uint64_t& elements) {
  const uint64_t at = in_.offset();
  TRY_ASSIGN(tensor.n_dims, in_.Number<uint32_t>("number of dimensions"));
  if (tensor.n_dims == 0 || tensor.n_dims > kMaxTensorDims) {
    return in_.Bad("GGUF_DIMS", at,
                   fmt::format("{}: {} dimensions, expected 1 to {}", tensor.name, tensor.n_dims,
                               kMaxTensorDims));
  }
  for (uint32_t i = 0; i < tensor.n_dims; ++i) {
    const uint64_t dim_at = in_.offset();
    TRY_ASSIGN(const uint64_t dim, in_.Number<uint64_t>("dimension"));
    tensor.dims[i] = dim;
    if (dim == 0) {
      return in_.Bad("GGUF_ZERO_DIM", dim_at,
                     fmt::format("{}: dimension {} is 0", tensor.name, i + 1));
    }
    const std::optional<uint64_t> product = CheckedMul(elements, dim);
    if (!product || *product > uint64_t{INT64_MAX}) {  // others keep sizes in 63 bits
      return in_.Bad("GGUF_SHAPE_OVERFLOW", dim_at,
                     fmt::format("{}: dimension {} is {}: more elements than can be counted",
                                 tensor.name, i + 1, dim));
    }
    elements = *product;
  }
  return {};
}

Status TensorsReader::ReadTensorType(TensorInfo& tensor) {
  const uint64_t at = in_.offset();
  TRY_ASSIGN(const uint32_t id, in_.Number<uint32_t>("tensor type"));
  if (const std::optional<DType> type = DTypeFromGguf(id)) {
    tensor.type = *type;
    return {};
  }
  if (const std::string_view name = GgufTensorTypeName(id); !name.empty()) {
    return in_.Bad("GGUF_TENSOR_TYPE", at,
                   fmt::format("{}: tensors of type {} are not supported", tensor.name, name),
                   ErrorCode::kUnsupported);
  }
  return in_.Bad(
      "GGUF_TENSOR_TYPE", at,
      fmt::format("{}: tensor type {} {}", tensor.name, id,
                  IsRemovedGgufTensorType(id) ? "was removed from GGUF" : "does not exist"));
}

Status TensorsReader::SetTensorBytes(TensorInfo& tensor, uint64_t elements, uint64_t offset) {
  const DTypeInfo& type = Info(tensor.type);
  if (tensor.dims[0] % type.block_elements != 0) {
    return in_.Bad("GGUF_BLOCK", offset,
                   fmt::format("{}: rows of {} elements, but {} stores blocks of {}", tensor.name,
                               tensor.dims[0], type.name, type.block_elements));
  }
  const std::optional<uint64_t> bytes =
      CheckedMul(elements / type.block_elements, type.block_bytes);
  const std::optional<uint64_t> padded =
      bytes ? CheckedRoundUp(*bytes, out_.alignment) : std::nullopt;
  const std::optional<uint64_t> sum = padded ? CheckedAdd(data_bytes_, *padded) : std::nullopt;
  if (!sum) {
    return in_.Bad("GGUF_SIZE_OVERFLOW", offset,
                   fmt::format("{}: {} elements of {}: more bytes than can be counted", tensor.name,
                               elements, type.name));
  }
  tensor.bytes = *bytes;
  data_bytes_ = *sum;
  return {};
}

}  // namespace

Status ReadGgufTensors(GgufInput& in, uint64_t count, GgufPart& out) {
  return TensorsReader(in, count, out).ReadTensors();
}

}  // namespace tinyai
