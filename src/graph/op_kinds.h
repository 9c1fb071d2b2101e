#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

namespace tinyai {

// Of one sample, outermost first: [C, H, W], [C, L], [T, D], [D].
using Shape = std::vector<uint64_t>;

// The kinds of op, with what each needs besides its operands.
namespace op {

// --- of text models: rows are tokens ---

// ids of the chunk's tokens -> rows of the embedding.
struct Embed {};
// float -> 8 bits.
struct Quantize {};
// Rotary embedding of every head.
struct Rope {
  uint64_t heads;
};
// ins: k, v -> appended to the cache of `layer`. No output.
struct StoreKv {
  uint32_t layer;
};
// in: q; reads the cache of `layer` up to and including the row's own position.
struct Attention {
  uint32_t layer;
};
// The last row of the chunk.
struct TakeLast {};

// --- of both ---

// weights[0]: matrix (rows = out width); weights[1], if there: bias vector added to the result.
// Applied to the last axis: [.., cols] -> [.., rows].
struct MatMul {};
// Of every group of `group` elements of the last axis, with a weight vector of that size.
struct RmsNorm {
  float epsilon;
  uint64_t group;
};
// silu(ins[0]) * ins[1].
struct SiluMul {};
// ins[0] + ins[1], or + weights[0]. The second may have axes of size 1 where the first has more,
// and fewer axes: those that it lacks are the outermost.
struct Add {};

// --- of layer graphs: rows are samples ---

// Operand number `index` of the caller, of this shape. Reads nothing.
struct Input {
  uint32_t index;
  Shape shape;
};
// ins[0] * ins[1], or * weights[0]; as Add.
struct Mul {};
// Where a window lies: in [C, H, W] first down, then across; in [C, L] the second of each alone
// counts, and the first are as if H were 1.
struct Window {
  using Pair = std::array<uint32_t, 2>;
  Pair size{1, 1};
  Pair stride{1, 1};
  Pair dilation{1, 1};
  Pair pad_begin{0, 0};
  Pair pad_end{0, 0};
};
// weights[0]: a row per output channel, of (C / groups) x size elements; weights[1], if there:
// bias.
struct Conv {
  Window window;
  uint32_t groups = 1;
};
// The gradient of Conv: input position i adds to outputs i * stride - pad_begin + k * dilation.
// weights as Conv: a row per output channel, of (C / groups) x size elements, not flipped. `more`:
// rows and columns added at the end, less than the stride.
struct ConvTranspose {
  Window window;
  uint32_t groups = 1;
  Window::Pair more{0, 0};
};
enum class PoolKind : uint8_t { kMax, kAverage };
struct Pool {
  PoolKind kind;
  Window window;
  bool count_padding = false;  // the average is of the whole window, padding as zeros
};
// [C, ..] -> [C, 1, ..].
struct GlobalPool {
  PoolKind kind;
};
// weights: scale, shift, mean, variance, each of C: (x - mean) / sqrt(variance + epsilon) * scale +
// shift, by the first axis.
struct BatchNorm {
  float epsilon;
};
// Of the last axis; weights: scale, shift of its size (shift may be missing).
struct LayerNorm {
  float epsilon;
};
// Of each of `groups` groups of the first axis; weights: scale, shift of C.
struct GroupNorm {
  uint32_t groups;
  float epsilon;
};
enum class Function : uint8_t {
  kRelu,
  kLeakyRelu,  // alpha x where x < 0
  kGelu,       // x Phi(x), by the error function
  kGeluTanh,   // the same by tanh
  kSilu,
  kSigmoid,
  kTanh,
  kHardSwish,  // x min(max(x + 3, 0), 6) / 6
  kHardSigmoid,
  kClip,  // min(max(x, 0), alpha): relu6 with alpha 6
};
struct Activation {
  Function function;
  float alpha = 0;
};
struct Concat {
  uint32_t axis;
};
// [begin, end) of an axis: what a split gives, one op for each part.
struct Slice {
  uint32_t axis;
  uint64_t begin, end;
};
struct Reshape {
  Shape shape;
};
// Axis i of the result is axis order[i] of the operand.
struct Transpose {
  std::vector<uint32_t> order;
};
enum class PadMode : uint8_t { kConstant, kReflect, kEdge };
struct Pad {
  std::vector<uint64_t> before, after;  // by axis
  PadMode mode = PadMode::kConstant;
  float value = 0;
};
enum class ResizeMode : uint8_t { kNearest, kLinear };
// To `size`, all axes but the first. Nearest: floor(i * in / out). Linear: by half pixels, or
// with `align_corners` by corners.
struct Resize {
  std::vector<uint64_t> size;
  ResizeMode mode;
  bool align_corners = false;
};
struct Softmax {
  uint32_t axis;
};
enum class ReduceKind : uint8_t { kSum, kMean, kMax, kMin };
// Of these axes, neighbours; they stay with size 1 where `keep`.
struct Reduce {
  ReduceKind kind;
  std::vector<uint32_t> axes;
  bool keep = false;
};
// in: ids as numbers, [T] -> [T, cols] of weights[0].
struct Lookup {};
// ins: q [T, heads * d], k [S, kv_heads * d], v [S, kv_heads * e] -> [T, heads * e]. Causal: row t
// sees k up to row t + S - T.
struct Attend {
  uint32_t heads;
  uint32_t kv_heads;
  bool causal = false;
  float scale = 0;  // 0: 1 / sqrt(d)
};
enum class Cell : uint8_t { kLstm, kGru };
// ins: the input's part of every gate, [T, gates * H], which a MatMul makes; then, if they are
// there, h [H] and for an LSTM c [H] before the first step. weights: a row for every gate and unit,
// of H elements; a vector of their biases if there is one. Gates as PyTorch has them: i f g o; r z
// n, where n's recurrent part with its bias is multiplied by r. -> [T, H]; with `state`, for an
// LSTM [T, 2, H]: h, then c.
struct Recurrent {
  Cell cell;
  bool reverse = false;
  bool state = false;
};
// ins: [so far,] part -> what is so far with the part written from `begin` on along `axis`; the
// first part makes all of `shape`. What banded stretches of a graph are put together by.
struct Paste {
  uint32_t axis;
  uint64_t begin;
  Shape shape;
};

// --- that the planner adds to layer graphs (graph/spill.h) ---

// Writes its operand to a scratch file. The result is what lies there: no bytes of memory.
struct Spill {};
// Reads what a Spill has written.
struct Fetch {};

}  // namespace op

using OpKind =
    std::variant<op::Embed, op::RmsNorm, op::Quantize, op::MatMul, op::Rope, op::StoreKv,
                 op::Attention, op::SiluMul, op::Add, op::TakeLast, op::Input, op::Mul, op::Conv,
                 op::ConvTranspose, op::Pool, op::GlobalPool, op::BatchNorm, op::LayerNorm,
                 op::GroupNorm, op::Activation, op::Concat, op::Slice, op::Reshape, op::Transpose,
                 op::Pad, op::Resize, op::Softmax, op::Reduce, op::Lookup, op::Attend,
                 op::Recurrent, op::Paste, op::Spill, op::Fetch>;

// "conv", "batch_norm", ..: as files and messages have them.
std::string_view Name(const OpKind& kind);

// Whether an op computes any rows of its result from the same rows of weights[0], so that it can be
// carried out slice by slice.
inline bool IsProduct(const OpKind& kind) {
  return std::holds_alternative<op::MatMul>(kind) || std::holds_alternative<op::Conv>(kind) ||
         std::holds_alternative<op::ConvTranspose>(kind);
}

// Whether the result may take the place of the first operand: where it has as many elements.
bool WorksInPlace(const OpKind& kind);

}  // namespace tinyai
