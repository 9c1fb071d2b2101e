#pragma once

#include <cstdint>
#include <span>

namespace tinyai {

enum class BinaryOp : uint8_t { kAdd, kSub, kMul, kDiv, kMin, kMax };

// out = x op y, element by element; out may be x or y. x and y have the size of out, or one of
// them a single element that stands for all: a channel's addend or factor is one call per channel.
// A NaN in either makes the result one.
void Binary(BinaryOp op, std::span<const float> x, std::span<const float> y, std::span<float> out);

}  // namespace tinyai
