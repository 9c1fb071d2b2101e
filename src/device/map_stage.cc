#include "device/map_stage.h"

#include <algorithm>
#include <cstring>

#include "device/elements.h"

namespace tinyai {
namespace {

using Kind = ExprNode::Kind;

template <typename Visit>
void WithLane(Lane lane, Visit visit) {
  switch (lane) {
    case Lane::kBool:
      return visit(uint8_t{});
    case Lane::kI32:
      return visit(int32_t{});
    case Lane::kI64:
      return visit(int64_t{});
    case Lane::kFloat:
      return visit(float{});
    case Lane::kDouble:
      return visit(double{});
  }
}

// What half floats keep of a float.
void Round(Scalar scalar, float* x, uint64_t count) {
  if (scalar == Scalar::kF16) {
    for (uint64_t i = 0; i < count; ++i) x[i] = F16ToFloat(FloatToF16(x[i]));
  } else if (scalar == Scalar::kBF16) {
    for (uint64_t i = 0; i < count; ++i) x[i] = Bf16ToFloat(FloatToBf16(x[i]));
  }
}

// An operand of a node: one number for all elements, or one for each.
template <typename T>
struct Operand {
  const T* data;
  bool wide;
};

template <typename T, typename Out, typename Op>
void Zip(Operand<T> a, Operand<T> b, Out* out, uint64_t count, Op op) {
  if (a.wide && b.wide) {
    for (uint64_t i = 0; i < count; ++i) out[i] = static_cast<Out>(op(a.data[i], b.data[i]));
  } else if (a.wide) {
    const T right = b.data[0];
    for (uint64_t i = 0; i < count; ++i) out[i] = static_cast<Out>(op(a.data[i], right));
  } else if (b.wide) {
    const T left = a.data[0];
    for (uint64_t i = 0; i < count; ++i) out[i] = static_cast<Out>(op(left, b.data[i]));
  } else {
    std::fill_n(out, count, static_cast<Out>(op(a.data[0], b.data[0])));
  }
}

template <typename T>
void Arithmetic(Kind kind, Operand<T> a, Operand<T> b, T* out, uint64_t count, bool& trapped) {
  switch (kind) {
    case Kind::kAdd:
      return Zip(a, b, out, count, Add<T>);
    case Kind::kSubtract:
      return Zip(a, b, out, count, Subtract<T>);
    case Kind::kMultiply:
      return Zip(a, b, out, count, Multiply<T>);
    case Kind::kDivide:
      return Zip(a, b, out, count, [&](T x, T y) { return Divide(x, y, trapped); });
    case Kind::kModulo:
      return Zip(a, b, out, count, [&](T x, T y) { return Modulo(x, y, trapped); });
    case Kind::kMin:
      return Zip(a, b, out, count, Least<T>);
    case Kind::kMax:
      return Zip(a, b, out, count, Most<T>);
    default:  // kPow, of fractional numbers only
      return Zip(a, b, out, count, [](T x, T y) {
        return static_cast<T>(std::pow(static_cast<double>(x), static_cast<double>(y)));
      });
  }
}

template <typename T>
void Comparison(Kind kind, Operand<T> a, Operand<T> b, uint8_t* out, uint64_t count) {
  switch (kind) {
    case Kind::kEqual:
      return Zip(a, b, out, count, [](T x, T y) { return x == y; });
    case Kind::kNotEqual:
      return Zip(a, b, out, count, [](T x, T y) { return x != y; });
    case Kind::kLess:
      return Zip(a, b, out, count, [](T x, T y) { return x < y; });
    case Kind::kLessEqual:
      return Zip(a, b, out, count, [](T x, T y) { return x <= y; });
    case Kind::kGreater:
      return Zip(a, b, out, count, [](T x, T y) { return x > y; });
    default:
      return Zip(a, b, out, count, [](T x, T y) { return x >= y; });
  }
}

template <typename From, typename To>
To Converted(From value) {
  if constexpr (std::is_same_v<To, uint8_t>) {
    return value != 0;
  } else if constexpr (std::is_integral_v<To>) {
    return ToWhole<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

bool IsComparison(Kind kind) { return kind >= Kind::kEqual && kind <= Kind::kGreaterEqual; }
bool IsArithmetic(Kind kind) {
  return (kind >= Kind::kAdd && kind <= Kind::kModulo) || kind == Kind::kMin ||
         kind == Kind::kMax || kind == Kind::kPow;
}

}  // namespace

Lane LaneOf(Scalar scalar) {
  switch (scalar) {
    case Scalar::kBool:
      return Lane::kBool;
    case Scalar::kI32:
      return Lane::kI32;
    case Scalar::kI64:
      return Lane::kI64;
    case Scalar::kF64:
      return Lane::kDouble;
    default:
      return Lane::kFloat;
  }
}

uint32_t LaneBytes(Lane lane) {
  constexpr uint32_t kBytes[] = {1, 4, 8, 4, 8};
  return kBytes[static_cast<size_t>(lane)];
}

void LoadLane(Scalar scalar, const std::byte* tensor, uint64_t first, uint64_t count,
              std::byte* lane) {
  if (scalar != Scalar::kF16 && scalar != Scalar::kBF16) {
    const uint64_t bytes = LaneBytes(LaneOf(scalar));
    std::memcpy(lane, tensor + first * bytes, count * bytes);
    return;
  }
  auto* const out = reinterpret_cast<float*>(lane);
  for (uint64_t i = 0; i < count; ++i) {
    uint16_t half;
    std::memcpy(&half, tensor + (first + i) * sizeof(half), sizeof(half));
    out[i] = scalar == Scalar::kF16 ? F16ToFloat(half) : Bf16ToFloat(half);
  }
}

void StoreLane(Scalar scalar, const std::byte* lane, uint64_t count, std::byte* tensor,
               uint64_t first) {
  if (scalar != Scalar::kF16 && scalar != Scalar::kBF16) {
    const uint64_t bytes = LaneBytes(LaneOf(scalar));
    std::memcpy(tensor + first * bytes, lane, count * bytes);
    return;
  }
  const auto* const in = reinterpret_cast<const float*>(lane);
  for (uint64_t i = 0; i < count; ++i) {
    const uint16_t half = scalar == Scalar::kF16 ? FloatToF16(in[i]) : FloatToBf16(in[i]);
    std::memcpy(tensor + (first + i) * sizeof(half), &half, sizeof(half));
  }
}

TiledStage::TiledStage(const Stage& stage) : stage_(stage), slots_(stage.slots.size()) {
  size_t bytes = 0;
  for (const StageNode& node : stage.nodes) {
    lanes_.push_back(LaneOf(node.scalar));
    registers_.push_back(bytes);
    bytes += (node.wide ? kTile : 8) * LaneBytes(lanes_.back());
    bytes = (bytes + 63) / 64 * 64;
  }
  memory_.resize(bytes + 64);
  const auto address = reinterpret_cast<uintptr_t>(memory_.data());
  for (size_t& offset : registers_) offset += (64 - address % 64) % 64;
}

void TiledStage::Begin(std::span<const std::byte* const> slots, bool& trapped) {
  std::copy(slots.begin(), slots.end(), slots_.begin());
  for (size_t i = 0; i < stage_.nodes.size(); ++i) {
    if (!stage_.nodes[i].wide) ComputeNode(i, 0, 1, trapped);
  }
}

const std::byte* TiledStage::Compute(uint64_t first, uint64_t count, bool& trapped) {
  for (size_t i = 0; i < stage_.nodes.size(); ++i) {
    if (stage_.nodes[i].wide) ComputeNode(i, first, count, trapped);
  }
  return memory_.data() + registers_.back();
}

void TiledStage::ComputeNode(size_t i, uint64_t first, uint64_t count, bool& trapped) {
  const StageNode& node = stage_.nodes[i];
  std::byte* const out = memory_.data() + registers_[i];
  const auto in = [&]<typename T>(T, size_t arg) {
    const uint32_t from = node.args[arg];
    return Operand<T>{reinterpret_cast<const T*>(memory_.data() + registers_[from]),
                      stage_.nodes[from].wide};
  };
  const Kind kind = node.kind;
  if (kind == Kind::kOperand) {
    return LoadLane(node.scalar, slots_[node.slot], first, count, out);
  }
  if (kind == Kind::kElement || kind == Kind::kRows || kind == Kind::kShift ||
      kind == Kind::kTranspose) {
    return Gather(i, first, count);
  }
  if (IsComparison(kind)) {
    return WithLane(lanes_[node.args[0]], [&](auto t) {
      Comparison(kind, in(t, 0), in(t, 1), reinterpret_cast<uint8_t*>(out), count);
    });
  }
  WithLane(lanes_[i], [&](auto t) {
    using T = decltype(t);
    T* const to = reinterpret_cast<T*>(out);
    const auto each = [&](auto op) {
      Zip(in(t, 0), Operand<T>{in(t, 0).data, false}, to, count, [&](T x, T) { return op(x); });
    };
    if (IsArithmetic(kind)) {
      Arithmetic(kind, in(t, 0), in(t, 1), to, count, trapped);
    } else if (kind == Kind::kConstant) {
      const T value =
          std::is_floating_point_v<T> ? static_cast<T>(node.number) : static_cast<T>(node.integer);
      std::fill_n(to, count, value);
    } else if (kind == Kind::kIota) {
      for (uint64_t j = 0; j < count; ++j) to[j] = static_cast<T>(first + j);
    } else if (kind == Kind::kConvert) {
      WithLane(lanes_[node.args[0]], [&](auto f) {
        using F = decltype(f);
        Zip(in(f, 0), Operand<F>{in(f, 0).data, false}, to, count,
            [](F x, F) { return Converted<F, T>(x); });
      });
    } else if (kind == Kind::kSelect) {
      const Operand<uint8_t> which = in(uint8_t{}, 0);
      const Operand<T> yes = in(t, 1), no = in(t, 2);
      for (uint64_t j = 0; j < count; ++j) {
        to[j] = which.data[which.wide ? j : 0] != 0 ? yes.data[yes.wide ? j : 0]
                                                    : no.data[no.wide ? j : 0];
      }
    } else if (kind == Kind::kNegate) {
      if constexpr (std::is_floating_point_v<T>) {
        each([](T x) { return -x; });
      } else {
        each([](T x) { return Subtract<T>(0, x); });
      }
    } else if (kind == Kind::kNot) {
      each([](T x) { return static_cast<T>(x == 0); });
    } else if (kind == Kind::kAnd) {
      Zip(in(t, 0), in(t, 1), to, count, [](T x, T y) { return x != 0 && y != 0; });
    } else if (kind == Kind::kOr) {
      Zip(in(t, 0), in(t, 1), to, count, [](T x, T y) { return x != 0 || y != 0; });
    } else if (kind == Kind::kAbs) {
      if constexpr (std::is_floating_point_v<T>) {
        each([](T x) { return std::abs(x); });
      } else {
        each([](T x) { return Most<T>(x, Subtract<T>(0, x)); });
      }
    } else if (kind == Kind::kFill) {
      std::fill_n(to, count, in(t, 0).data[0]);
    } else {
      each([&](T x) { return Function(kind, x); });
    }
    if constexpr (std::is_same_v<T, float>) Round(node.scalar, to, count);
  });
}

// Elements that lie elsewhere in their slot's tensor.
void TiledStage::Gather(size_t i, uint64_t first, uint64_t count) {
  const StageNode& node = stage_.nodes[i];
  std::byte* const out = memory_.data() + registers_[i];
  const std::byte* const tensor = slots_[node.slot];
  const uint32_t lane_bytes = LaneBytes(lanes_[i]);
  const auto number = [&](size_t arg) {
    const std::byte* const at = memory_.data() + registers_[node.args[arg]];
    return lanes_[node.args[arg]] == Lane::kI64 ? *reinterpret_cast<const int64_t*>(at)
                                                : *reinterpret_cast<const int32_t*>(at);
  };
  uint64_t inner = 1;  // elements of a row
  for (size_t d = 1; d < node.shape.size(); ++d) inner *= node.shape[d];
  if (node.kind == Kind::kElement || node.kind == Kind::kRows) {
    const uint64_t taken = node.kind == Kind::kElement
                               ? 1
                               : std::max<uint64_t>(stage_.count / std::max<uint64_t>(inner, 1), 1);
    const uint64_t row = ClampRow(number(0), node.shape[0], taken);
    return LoadLane(node.scalar, tensor, row * inner + first, count, out);
  }
  if (node.kind == Kind::kTranspose) {
    const uint64_t rows = node.shape[0], cols = node.shape[1];  // of the tensor as it lies
    for (uint64_t j = 0; j < count; ++j) {
      const uint64_t row = (first + j) / rows, col = (first + j) % rows;
      LoadLane(node.scalar, tensor, col * cols + row, 1, out + j * lane_bytes);
    }
    return;
  }
  // kShift: runs along the last dimension, whose index moves by one; what it runs over is loaded at
  // once.
  const size_t dims = node.shape.size();
  const uint64_t last = node.shape[dims - 1];
  for (uint64_t done = 0; done < count;) {
    uint64_t rest = first + done, base = 0, stride = last;
    const uint64_t col = rest % last;
    rest /= last;
    for (size_t d = dims - 1; d-- > 0;) {
      const int64_t step = d < node.args.size() ? number(d) : 0;
      const auto size = static_cast<int64_t>(node.shape[d]);
      const auto at = static_cast<int64_t>(rest % node.shape[d]);
      // Steps are of any size: moved inside before they are added.
      const int64_t by = std::clamp<int64_t>(step, -size, size);
      base += static_cast<uint64_t>(std::clamp<int64_t>(at - by, 0, size - 1)) * stride;
      stride *= node.shape[d];
      rest /= node.shape[d];
    }
    const auto size = static_cast<int64_t>(last);
    const int64_t step =
        dims - 1 < node.args.size() ? std::clamp<int64_t>(number(dims - 1), -size, size) : 0;
    const uint64_t run = std::min(last - col, count - done);
    for (uint64_t j = 0; j < run;) {
      const int64_t from = static_cast<int64_t>(col + j) - step;
      std::byte* const to = out + (done + j) * lane_bytes;
      if (from >= 0 && from < size) {
        const uint64_t length = std::min<uint64_t>(run - j, static_cast<uint64_t>(size - from));
        LoadLane(node.scalar, tensor, base + static_cast<uint64_t>(from), length, to);
        j += length;
      } else {
        LoadLane(node.scalar, tensor, base + static_cast<uint64_t>(from < 0 ? 0 : size - 1), 1, to);
        ++j;
      }
    }
    done += run;
  }
}

}  // namespace tinyai
