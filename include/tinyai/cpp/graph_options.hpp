#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

// What the ops of a Graph are told besides their operands.
namespace tinyai {
inline namespace v0 {

namespace detail {

// " name=value", as a builder reads it.
inline std::string Attribute(std::string_view name, std::string_view value) {
  return " " + std::string(name) + "=" + std::string(value);
}
inline std::string Attribute(std::string_view name, const char* value) {
  return Attribute(name, std::string_view(value));
}
inline std::string Attribute(std::string_view name, std::size_t value) {
  return Attribute(name, std::to_string(value));
}
// With an exponent, which tells it from a whole number.
inline std::string Attribute(std::string_view name, double value) {
  std::array<char, 32> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::scientific);
  return Attribute(name, std::string_view(text.data(), end.ptr));
}
template <typename List>
requires requires(const List& list) {
  list.begin();
  list.size();
  *list.begin() + std::size_t{};
} &&(!std::is_convertible_v<List, std::string_view>)std::string
    Attribute(std::string_view name, const List& list) {
  std::string text;
  for (const std::size_t item : list) text += std::to_string(item) + ",";
  return Attribute(name, text);
}

}  // namespace detail

// Down, then across; of [C, L] the second of each alone counts.
using Pair = std::array<std::size_t, 2>;

// Where a window lies.
struct Window {
  Pair size{1, 1};
  Pair stride{1, 1};
  Pair dilation{1, 1};
  Pair pad_begin{0, 0}, pad_end{0, 0};

  std::string Text() const {
    return detail::Attribute("size", size) + detail::Attribute("stride", stride) +
           detail::Attribute("dilation", dilation) + detail::Attribute("pad_begin", pad_begin) +
           detail::Attribute("pad_end", pad_end);
  }
};

struct ConvOptions {
  Window window = {};
  std::size_t groups = 1;  // as many as channels: depthwise

  std::string Text() const { return window.Text() + detail::Attribute("groups", groups); }
};

struct ConvTransposeOptions {
  Window window = {};
  std::size_t groups = 1;
  Pair more{0, 0};  // rows and columns added at the end, less than the stride

  std::string Text() const {
    return window.Text() + detail::Attribute("groups", groups) + detail::Attribute("more", more);
  }
};

struct PoolOptions {
  Window window = {};
  bool count_padding = false;  // an average is of the whole window, padding as zeros

  std::string Text() const {
    return window.Text() + detail::Attribute("count_padding", std::size_t{count_padding});
  }
};

struct AttentionOptions {
  std::size_t heads = 1;
  std::size_t kv_heads = 1;  // divides heads
  bool causal = false;       // row t sees keys up to row t + S - T
  double scale = 0;          // 0: 1 / sqrt(d)

  std::string Text() const {
    return detail::Attribute("heads", heads) + detail::Attribute("kv_heads", kv_heads) +
           detail::Attribute("causal", std::size_t{causal}) + detail::Attribute("scale", scale);
  }
};

enum class Cell { kLstm, kGru };
inline const char* NameOf(Cell cell) { return cell == Cell::kLstm ? "lstm" : "gru"; }

struct RecurrentOptions {
  Cell cell = Cell::kLstm;
  bool reverse = false;  // from the last step to the first
  bool state = false;    // an LSTM gives its cells too

  std::string Text() const {
    return detail::Attribute("cell", NameOf(cell)) +
           detail::Attribute("reverse", std::size_t{reverse}) +
           detail::Attribute("state", std::size_t{state});
  }
};

enum class Function {
  kRelu,
  kLeakyRelu,  // alpha x where x < 0
  kGelu,       // x Phi(x), by the error function
  kGeluTanh,   // the same by tanh
  kSilu,
  kSigmoid,
  kTanh,
  kHardSwish,
  kHardSigmoid,
  kClip,  // min(max(x, 0), alpha)
};
inline const char* NameOf(Function function) {
  constexpr const char* kNames[] = {"relu",    "leaky_relu", "gelu",       "gelu_tanh",    "silu",
                                    "sigmoid", "tanh",       "hard_swish", "hard_sigmoid", "clip"};
  return kNames[static_cast<std::size_t>(function)];
}

enum class PadMode { kConstant, kReflect, kEdge };
inline const char* NameOf(PadMode mode) {
  constexpr const char* kNames[] = {"constant", "reflect", "edge"};
  return kNames[static_cast<std::size_t>(mode)];
}

// Nearest: floor(i * in / out). Linear: by half pixels, or with `align_corners` by corners.
enum class ResizeMode { kNearest, kLinear };
inline const char* NameOf(ResizeMode mode) {
  return mode == ResizeMode::kNearest ? "nearest" : "linear";
}

enum class Reduction { kSum, kMean, kMax, kMin };
inline const char* NameOf(Reduction kind) {
  constexpr const char* kNames[] = {"sum", "mean", "max", "min"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace v0
}  // namespace tinyai
