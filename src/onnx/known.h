#pragma once

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "graph/graph.h"
#include "onnx/constant.h"

namespace tinyai {

// A weight that stays in its file until it is written.
struct Stored {
  const OnnxTensor* tensor;
  Dims dims;
  bool transposed = false;  // of a matrix: `dims` are those after it
};

// A value of the graph seen as something else, which costs nothing until an op needs it so: its
// elements in shape `split`, then axis i being axis order[i] of that, all times `scale`.
struct Flow {
  ValueId base{};
  Dims split;
  std::vector<uint32_t> order;
  float scale = 1;

  Dims dims() const {
    Dims out;
    for (const uint32_t axis : order) out.push_back(split[axis]);
    return out;
  }
};

// What ONNX writes as several nodes and we have one op for, on the way there: some function of `of`
// that becomes an op of its own only where the rest of the pattern does not come.
struct Part {
  enum class Kind : uint8_t {
    kSigmoid,       // of * that is SiLU
    kHardSigmoid,   // of * that is hard-swish
    kErf,           // erf(of / sqrt(2))
    kErfPlusOne,    // scale * (1 + that); times of, it is 2 scale GELU
    kMean,          // of the last axis
    kCentered,      // of - mean
    kSquared,       // the square of that
    kVariance,      // its mean
    kVariancePlus,  // plus epsilon
    kDeviation,     // the root of that; centered / that is a layer norm
  };
  Kind kind{};
  Flow of;
  Dims dims;
  float scale = 1;
  float epsilon = 0;
};

// Scores of attention: products of two values exist in attention only.
struct Scores {
  Flow q, k;  // [.., H, T, d], [.., H, d, S]; the axes before are 1
  Dims dims;
  float scale = 1;
  bool causal = false;
  bool normal = false;  // after the softmax
};

// What a name of the model stands for.
using Known = std::variant<std::shared_ptr<const Constant>, Stored, Flow, Part, Scores>;

}  // namespace tinyai
