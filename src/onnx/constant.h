#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"
#include "format/onnx_model.h"
#include "onnx/dims.h"

namespace tinyai {

// Most elements of what is computed while a model is converted, and of one weight that is looked
// into: masks and tables of positions, not matrices.
inline constexpr uint64_t kMostConstantElements = uint64_t{1} << 22;

// A tensor that is known while a model is converted: floats, or integers and truths.
struct Constant {
  Dims dims;
  bool is_float = true;
  std::vector<float> floats = {};
  std::vector<int64_t> integers = {};

  uint64_t size() const { return is_float ? floats.size() : integers.size(); }
  double number(uint64_t i) const {
    return is_float ? double{floats[i]} : static_cast<double>(integers[i]);
  }
  bool operator==(const Constant&) const = default;
};

// Cut off, and kept within what 64 bits hold; NaN becomes 0.
int64_t Whole(double value);

// The same numbers as floats, in shape `dims` to which they are repeated.
std::vector<float> FloatsOf(const Constant& constant, const Dims& dims);

using OnnxParts = std::span<const ByteSource* const>;

// As many elements as `out` has, from the bytes of a tensor of this type.
void DecodeFloats(OnnxType type, std::span<const std::byte> from, std::span<float> out);
// As many from number `first` on, as floats. Errors of reading.
Status ReadFloats(const OnnxTensor& tensor, OnnxParts parts, uint64_t first, std::span<float> out);
// The bytes of the elements as they are.
Status ReadElements(const OnnxTensor& tensor, OnnxParts parts, uint64_t first,
                    std::span<std::byte> out);
// Error ONNX_OP where it has more than kMostConstantElements.
Result<Constant> LoadConstant(const OnnxTensor& tensor, OnnxParts parts);

}  // namespace tinyai
