#include "onnx/constant.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/float16.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

template <typename From, typename To, typename Convert>
void ConvertAll(std::span<const std::byte> from, std::span<To> to, Convert&& convert) {
  for (size_t i = 0; i < to.size(); ++i) {
    From value;
    std::memcpy(&value, from.data() + i * sizeof(From), sizeof(From));
    to[i] = convert(value);
  }
}
template <typename From, typename To>
void CastAll(std::span<const std::byte> from, std::span<To> to) {
  ConvertAll<From>(from, to, [](From value) { return static_cast<To>(value); });
}

template <typename To>
void Decode(OnnxType type, std::span<const std::byte> from, std::span<To> to) {
  switch (type) {
    case OnnxType::kFloat:
      return CastAll<float>(from, to);
    case OnnxType::kF64:
      return CastAll<double>(from, to);
    case OnnxType::kF16:
      return ConvertAll<uint16_t>(from, to,
                                  [](uint16_t v) { return static_cast<To>(F16ToFloat(v)); });
    case OnnxType::kBF16:
      return ConvertAll<uint16_t>(from, to,
                                  [](uint16_t v) { return static_cast<To>(Bf16ToFloat(v)); });
    case OnnxType::kI8:
      return CastAll<int8_t>(from, to);
    case OnnxType::kU16:
      return CastAll<uint16_t>(from, to);
    case OnnxType::kI16:
      return CastAll<int16_t>(from, to);
    case OnnxType::kI32:
      return CastAll<int32_t>(from, to);
    case OnnxType::kU32:
      return CastAll<uint32_t>(from, to);
    case OnnxType::kI64:
      return CastAll<int64_t>(from, to);
    case OnnxType::kU64:
      return CastAll<uint64_t>(from, to);
    default:
      return CastAll<uint8_t>(from, to);  // also truths; the reader lets no other type pass
  }
}

bool IsFloat(OnnxType type) {
  return type == OnnxType::kFloat || type == OnnxType::kF16 || type == OnnxType::kBF16 ||
         type == OnnxType::kF64;
}

}  // namespace

int64_t Whole(double value) {
  constexpr double kMost = 9e18;
  return std::isnan(value) ? 0 : static_cast<int64_t>(std::clamp(value, -kMost, kMost));
}

std::vector<float> FloatsOf(const Constant& constant, const Dims& dims) {
  const Broadcaster places(dims, constant.dims);
  std::vector<float> out(Product(dims));
  for (uint64_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<float>(constant.number(places.At(i)));
  }
  return out;
}

Status ReadElements(const OnnxTensor& tensor, OnnxParts parts, uint64_t first,
                    std::span<std::byte> out) {
  const uint64_t at = first * ElementBytes(tensor.type);
  if (tensor.here.empty()) {
    return out.empty() ? Status() : parts[tensor.part]->ReadAt(tensor.offset + at, out);
  }
  std::memcpy(out.data(), tensor.here.data() + at, out.size());
  return {};
}

void DecodeFloats(OnnxType type, std::span<const std::byte> from, std::span<float> out) {
  Decode(type, from, out);
}

Status ReadFloats(const OnnxTensor& tensor, OnnxParts parts, uint64_t first, std::span<float> out) {
  if (tensor.type == OnnxType::kFloat) {
    return ReadElements(tensor, parts, first, std::as_writable_bytes(out));
  }
  std::vector<std::byte> bytes(out.size() * ElementBytes(tensor.type));
  TRY(ReadElements(tensor, parts, first, bytes));
  Decode(tensor.type, bytes, out);
  return {};
}

Result<Constant> LoadConstant(const OnnxTensor& tensor, OnnxParts parts) {
  if (tensor.elements > kMostConstantElements) {
    return Fail(ErrorCode::kUnsupported, "ONNX_OP",
                fmt::format("tensor '{}' has {} elements, too many to compute with while the model "
                            "is converted",
                            tensor.name, tensor.elements));
  }
  Constant out{.dims = tensor.dims, .is_float = IsFloat(tensor.type)};
  if (out.is_float) {
    out.floats.resize(tensor.elements);
    TRY(ReadFloats(tensor, parts, 0, out.floats));
  } else {
    std::vector<std::byte> bytes(tensor.bytes());
    TRY(ReadElements(tensor, parts, 0, bytes));
    out.integers.resize(tensor.elements);
    Decode(tensor.type, bytes, std::span(out.integers));
  }
  return out;
}

}  // namespace tinyai
