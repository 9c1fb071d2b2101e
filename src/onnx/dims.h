#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/checked.h"

namespace tinyai {

// The shape of an ONNX tensor, batch and all, outermost first; none: a single number.
using Dims = std::vector<uint64_t>;

// Those of small things and of what is known to have a size: the product does not wrap.
inline uint64_t Product(const Dims& dims) {
  uint64_t product = 1;
  for (const uint64_t size : dims) product *= size;
  return product;
}

// The shape of what two operands make element by element; nothing where they do not fit.
inline std::optional<Dims> BroadcastDims(Dims a, Dims b) {
  if (a.size() < b.size()) std::swap(a, b);
  b.insert(b.begin(), a.size() - b.size(), 1);
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && a[i] != 1 && b[i] != 1) return std::nullopt;
    if (a[i] == 1) a[i] = b[i];
  }
  return a;
}

// Goes through the places of `shape` in order; of an operand of `dims`, repeated to it, At() is the
// index of the element there.
class Broadcaster {
 public:
  Broadcaster(const Dims& shape, Dims dims) : shape_(shape), strides_(shape.size()) {
    dims.insert(dims.begin(), shape.size() - dims.size(), 1);
    uint64_t stride = 1;
    for (size_t i = shape.size(); i-- > 0;) {
      strides_[i] = dims[i] == 1 ? 0 : stride;
      stride *= dims[i];
    }
  }
  uint64_t At(uint64_t index) const {
    uint64_t at = 0;
    for (size_t i = shape_.size(); i-- > 0;) {
      at += index % shape_[i] * strides_[i];
      index /= shape_[i];
    }
    return at;
  }

 private:
  Dims shape_;
  std::vector<uint64_t> strides_;
};

// The axis that a node means, negative ones from the end; nothing if there is none.
inline std::optional<uint32_t> AxisOf(int64_t axis, size_t axes) {
  if (axis < 0) axis += static_cast<int64_t>(axes);
  if (axis < 0 || axis >= static_cast<int64_t>(axes)) return std::nullopt;
  return static_cast<uint32_t>(axis);
}

}  // namespace tinyai
