#pragma once

#include <cstdint>
#include <span>

namespace tinyai {

enum class Activation : uint8_t {
  kRelu,         // max(x, 0)
  kClip,         // min(max(x, 0), alpha)
  kLeakyRelu,    // x, or alpha x below zero
  kGelu,         // x Phi(x), Phi by erf
  kGeluTanh,     // x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
  kSilu,         // x sigmoid(x)
  kSigmoid,      // 1 / (1 + e^-x)
  kTanh,         //
  kHardSigmoid,  // min(max(x / 6 + 1 / 2, 0), 1)
  kHardSwish,    // x hard_sigmoid(x)
  kExp,          //
};

// out = f(x), where out may be x. Equal sizes. An element's bits do not depend on its place. The
// error is below 4e-7 of the value; GELU and the hard ones are only within 2e-7 where they are near
// zero. A NaN stays one.
void Activate(Activation kind, float alpha, std::span<const float> x, std::span<float> out);

}  // namespace tinyai
