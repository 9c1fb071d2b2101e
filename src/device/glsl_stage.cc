#include "device/glsl_stage.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "device/glsl_text.h"
#include "device/map_stage.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

using Kind = ExprNode::Kind;

constexpr uint32_t kLanes = 64;         // of a work group
constexpr uint32_t kReduceLanes = 128;  // the least that every device has
constexpr uint32_t kMostGroups = 4096;  // each goes on with further elements

tl::unexpected<Error> Lacks(const GpuInfo& gpu, std::string_view what) {
  return Fail(ErrorCode::kUnsupported, "GPU_FEATURE",
              fmt::format("{} cannot compute with {}", gpu.name, what));
}

std::string_view StorageType(Scalar scalar) {
  switch (scalar) {
    case Scalar::kBool:
    case Scalar::kQ8:
    case Scalar::kQ4:
      return "uint8_t";
    case Scalar::kI32:
      return "int";
    case Scalar::kI64:
      return "int64_t";
    case Scalar::kF16:
    case Scalar::kBF16:
      return "uint16_t";
    case Scalar::kF64:
      return "double";
    default:
      return "float";
  }
}

std::string_view LaneType(Lane lane) {
  constexpr std::string_view kTypes[] = {"bool", "int", "int64_t", "float", "double"};
  return kTypes[static_cast<size_t>(lane)];
}

std::string Load(Scalar scalar, const std::string& element) {
  switch (scalar) {
    case Scalar::kBool:
      return fmt::format("({} != uint8_t(0))", element);
    case Scalar::kF16:
      return fmt::format("from_f16(uint({}))", element);
    case Scalar::kBF16:
      return fmt::format("from_bf16(uint({}))", element);
    default:
      return element;
  }
}

std::string Stored(Scalar scalar, const std::string& value) {
  switch (scalar) {
    case Scalar::kBool:
      return fmt::format("({} ? uint8_t(1) : uint8_t(0))", value);
    case Scalar::kF16:
      return fmt::format("uint16_t(to_f16({}))", value);
    case Scalar::kBF16:
      return fmt::format("uint16_t(to_bf16({}))", value);
    default:
      return value;
  }
}

std::string Rounded(Scalar scalar, const std::string& value) {
  if (scalar == Scalar::kF16) return fmt::format("from_f16(to_f16({}))", value);
  if (scalar == Scalar::kBF16) return fmt::format("from_bf16(to_bf16({}))", value);
  return value;
}

std::string Literal(Lane lane, int64_t integer, double number) {
  switch (lane) {
    case Lane::kBool:
      return integer != 0 ? "true" : "false";
    case Lane::kI32:
      return fmt::format("int({}u)", static_cast<uint32_t>(integer));
    case Lane::kI64:
      return fmt::format("int64_t({}UL)", static_cast<uint64_t>(integer));
    case Lane::kFloat:
      return fmt::format("uintBitsToFloat({}u)",
                         std::bit_cast<uint32_t>(static_cast<float>(number)));
    default: {
      const auto bits = std::bit_cast<uint64_t>(number);
      return fmt::format("packDouble2x32(uvec2({}u, {}u))", static_cast<uint32_t>(bits),
                         static_cast<uint32_t>(bits >> 32));
    }
  }
}

class Writer {
 public:
  Writer(const Stage& stage, const GpuInfo& gpu) : stage_(stage), gpu_(gpu) {}

  Result<std::vector<GlslKernel>> Write() {
    TRY(CheckTypes());
    for (uint32_t i = 0; i < stage_.slots.size(); ++i) kernel_.slots.push_back(i);
    std::vector<GlslKernel> kernels;
    switch (stage_.kind) {
      case Stage::Kind::kMap:
        TRY(Map());
        break;
      case Stage::Kind::kReduce:
        TRY(Reduce());
        break;
      case Stage::Kind::kHistogram:
        kernels.push_back(Zero());
        TRY(Histogram());
        break;
      case Stage::Kind::kMatmul:
        Matmul();
        break;
      case Stage::Kind::kDecode:
        Decode();
        break;
      default:
        return Fail(ErrorCode::kUnsupported, "GPU_FEATURE",
                    "input and functions that are called run on the CPU only");
    }
    kernels.push_back(Finish());
    return kernels;
  }

 private:
  Status CheckTypes() {
    const auto check = [&](Scalar scalar) -> Status {
      if (scalar == Scalar::kI64) int64_ = true;
      if (scalar == Scalar::kF64) float64_ = true;
      const bool bytes = scalar == Scalar::kBool || scalar == Scalar::kQ8 || scalar == Scalar::kQ4;
      const bool halves = scalar == Scalar::kF16 || scalar == Scalar::kBF16;
      if (bytes && !gpu_.features.int8) return Lacks(gpu_, "8-bit values");
      if (halves && !gpu_.features.float16) return Lacks(gpu_, "16-bit values");
      if (int64_ && !gpu_.features.int64) return Lacks(gpu_, "i64");
      if (float64_ && !gpu_.features.float64) return Lacks(gpu_, "f64");
      return {};
    };
    TRY(check(stage_.out.type.scalar));
    for (const Slot& slot : stage_.slots) TRY(check(slot.type.scalar));
    for (const StageNode& node : stage_.nodes) TRY(check(node.scalar));
    if (stage_.count + stage_.first > 0x7FFFFFFF) return Lacks(gpu_, "so many elements at once");
    return {};
  }

  // What stands before main.
  std::string Head(uint32_t lanes) const {
    std::string text = "#version 450\n";
    for (const char* extension : {"GL_EXT_shader_explicit_arithmetic_types_int8",
                                  "GL_EXT_shader_explicit_arithmetic_types_int16",
                                  "GL_EXT_shader_explicit_arithmetic_types_int64",
                                  "GL_EXT_shader_8bit_storage", "GL_EXT_shader_16bit_storage"}) {
      text += fmt::format("#extension {} : enable\n", extension);
    }
    text += fmt::format("layout(local_size_x = {}) in;\n", lanes);
    uint32_t binding = 0;
    for (; binding < stage_.slots.size(); ++binding) {
      text +=
          fmt::format("layout(set = 0, binding = {0}) readonly buffer B{0} {{ {1} x{0}[]; }};\n",
                      binding, StorageType(stage_.slots[binding].type.scalar));
    }
    text += fmt::format("layout(set = 0, binding = {}) buffer Y {{ {} y[]; }};\n", binding++,
                        StorageType(stage_.out.type.scalar));
    if (kernel_.traps) {
      text +=
          fmt::format("layout(set = 0, binding = {}) buffer T {{ uint trapped[]; }};\n", binding);
    }
    text += kGlslFunctions;
    if (int64_) text += kGlslInt64Functions;
    if (float64_) text += kGlslFloat64Functions;
    if (int64_ && float64_) text += kGlslInt64FromFloat64;
    return text;
  }

  GlslKernel Finish() {
    kernel_.text = Head(lanes_) + shared_ + "void main() {\n" +
                   (kernel_.traps ? "  bool trap = false;\n" : "") + body_ +
                   (kernel_.traps ? "  if (trap) trapped[0] = 1u;\n" : "") + "}\n";
    return std::move(kernel_);
  }

  // Elements i < count, spread over all invocations; `each` uses what the nodes left.
  std::string Loop(const std::string& each) {
    kernel_.groups = static_cast<uint32_t>(
        std::clamp<uint64_t>((stage_.count + kLanes - 1) / kLanes, 1, kMostGroups));
    return fmt::format(
        "{}  for (uint i = gl_GlobalInvocationID.x; i < {}u; i += {}u) {{\n{}{}  }}\n", once_,
        stage_.count, kernel_.groups * kLanes, each_, each);
  }

  GlslKernel Zero() {
    Writer writer(stage_, gpu_);
    writer.kernel_.slots = kernel_.slots;
    const uint64_t bins = ElementCount(stage_.out.type);
    writer.kernel_.groups = 1;
    writer.body_ = fmt::format(
        "  for (uint i = gl_LocalInvocationID.x; i < {}u; i += {}u) y[i] = 0;\n", bins, kLanes);
    writer.int64_ = int64_;
    writer.float64_ = float64_;
    return writer.Finish();
  }

  Status Map() {
    TRY_ASSIGN(const std::string value, Nodes());
    body_ = Loop(
        fmt::format("    y[{}u + i] = {};\n", stage_.first, Stored(stage_.out.type.scalar, value)));
    return {};
  }

  Status Histogram() {
    TRY_ASSIGN(const std::string value, Nodes());
    const Lane lane = LaneOf(stage_.nodes.back().scalar);
    const uint64_t bins = ElementCount(stage_.out.type);
    std::string each;
    if (lane == Lane::kI32) {
      each =
          fmt::format("    if ({0} >= 0 && uint({0}) < {1}u) atomicAdd(y[{0}], 1);\n", value, bins);
    } else {
      each = fmt::format("    if ({0} >= {2}(0) && {0} < {2}({1}u)) atomicAdd(y[int({0})], 1);\n",
                         value, bins, LaneType(lane));
    }
    body_ = Loop(each);
    return {};
  }

  Status Reduce() {
    TRY_ASSIGN(const std::string value, Nodes());
    const Lane lane = LaneOf(stage_.nodes.back().scalar);
    const std::string type(LaneType(lane));
    const auto both = [&](const std::string& a, const std::string& b) {
      switch (stage_.reduction) {
        case Kind::kSum:
          return fmt::format("{} + {}", a, b);
        case Kind::kReduceMin:
          return fmt::format("{1} < {0} ? {1} : {0}", a, b);
        default:
          return fmt::format("{0} < {1} ? {1} : {0}", a, b);
      }
    };
    lanes_ = kReduceLanes;
    shared_ = fmt::format("shared {} part[{}];\n", type, kReduceLanes);
    const uint64_t lanes = std::min<uint64_t>(kReduceLanes, stage_.count);
    // Each invocation has at least one element; those without take no part.
    body_ = once_ +
            fmt::format("  uint t = gl_LocalInvocationID.x;\n  precise {0} sum = {0}(0);\n", type);
    body_ += fmt::format(
        "  for (uint i = t; i < {}u; i += {}u) {{\n{}    sum = i == t ? {} : ({});\n  }}\n",
        stage_.count, kReduceLanes, each_, value, both("sum", value));
    body_ += "  part[t] = sum;\n";
    body_ += fmt::format("  for (uint half_size = {}u; half_size > 0u; half_size /= 2u) {{\n",
                         kReduceLanes / 2);
    body_ += "    barrier();\n";
    body_ += fmt::format("    if (t < half_size && t + half_size < {}u) {{\n", lanes);
    body_ += fmt::format("      precise {} next = {};\n      part[t] = next;\n    }}\n  }}\n", type,
                         both("part[t]", "part[t + half_size]"));
    body_ += fmt::format("  if (t == 0u) y[{}u] = {};\n", stage_.first,
                         Stored(stage_.out.type.scalar, "part[0]"));
    return {};
  }

  void Matmul() {
    const Scalar scalar = stage_.out.type.scalar;
    const std::string type(LaneType(LaneOf(scalar)));
    const uint64_t k = stage_.k, n = stage_.n;
    each_ = fmt::format("    uint row = i / {0}u, col = i % {0}u;\n    precise {1} sum = {1}(0);\n",
                        n, type);
    each_ += fmt::format("    for (uint j = 0u; j < {}u; ++j) {{\n", k);
    each_ += fmt::format("      precise {} term = {} * {};\n      sum = sum + term;\n    }}\n",
                         type, Load(scalar, fmt::format("x0[row * {}u + j]", k)),
                         Load(scalar, fmt::format("x1[j * {}u + col]", n)));
    body_ = Loop(fmt::format("    y[i] = {};\n", Stored(scalar, "sum")));
  }

  void Decode() {
    const bool q8 = stage_.slots[0].type.scalar == Scalar::kQ8;
    each_ = fmt::format("    uint at = i / 32u * {}u, j = i % 32u;\n", q8 ? 34 : 18);
    each_ += "    float scale = from_f16(uint(x0[at]) | uint(x0[at + 1u]) << 8);\n";
    if (q8) {
      each_ += "    int q = int(uint(x0[at + 2u + j]) << 24) >> 24;\n";
    } else {
      each_ += "    uint two = uint(x0[at + 2u + j % 16u]);\n";
      each_ += "    int q = int(j < 16u ? two & 15u : two >> 4) - 8;\n";
    }
    each_ += "    precise float value = scale * float(q);\n";
    const Scalar scalar = stage_.out.type.scalar;
    body_ = Loop(fmt::format("    y[i] = {};\n",
                             Stored(scalar, scalar == Scalar::kF64 ? "double(value)" : "value")));
  }

  // Computes all nodes, the single numbers once; returns the last one's name.
  Result<std::string> Nodes() {
    for (size_t i = 0; i < stage_.nodes.size(); ++i) {
      TRY_ASSIGN(const std::string value, Value(i));
      const StageNode& node = stage_.nodes[i];
      (node.wide ? each_ : once_) +=
          fmt::format("  {}precise {} n{} = {};\n", node.wide ? "  " : "",
                      LaneType(LaneOf(node.scalar)), i, Rounded(node.scalar, value));
    }
    return fmt::format("n{}", stage_.nodes.size() - 1);
  }

  std::string Arg(const StageNode& node, size_t i) const {
    return fmt::format("n{}", node.args[i]);
  }

  Result<std::string> Value(size_t i) {
    const StageNode& node = stage_.nodes[i];
    const Lane lane = LaneOf(node.scalar);
    const auto unary = [&](std::string_view form) {
      return fmt::format(fmt::runtime(form), Arg(node, 0));
    };
    const auto binary = [&](std::string_view form) {
      return fmt::format(fmt::runtime(form), Arg(node, 0), Arg(node, 1));
    };
    switch (node.kind) {
      case Kind::kOperand:
        return Load(node.scalar, fmt::format("x{}[{}]", node.slot, node.wide ? "i" : "0"));
      case Kind::kElement:
      case Kind::kRows:
      case Kind::kTranspose:
      case Kind::kShift:
        return Load(node.scalar, fmt::format("x{}[{}]", node.slot, Elsewhere(i)));
      case Kind::kConstant:
        return Literal(lane, node.integer, node.number);
      case Kind::kIota:
        return fmt::format("{}(i)", LaneType(lane));
      case Kind::kFill:
        return Arg(node, 0);
      case Kind::kConvert:
        return Converted(LaneOf(stage_.nodes[node.args[0]].scalar), lane, Arg(node, 0));
      case Kind::kNegate:
        return lane == Lane::kI32 || lane == Lane::kI64
                   ? fmt::format("{}(0) - {}", LaneType(lane), Arg(node, 0))
                   : unary("-{}");
      case Kind::kNot:
        return unary("!{}");
      case Kind::kAdd:
        return binary("{} + {}");
      case Kind::kSubtract:
        return binary("{} - {}");
      case Kind::kMultiply:
        return binary("{} * {}");
      case Kind::kDivide:
      case Kind::kModulo:
        return Division(node, lane);
      case Kind::kEqual:
        return binary("{} == {}");
      case Kind::kNotEqual:
        return binary("{} != {}");
      case Kind::kLess:
        return binary("{} < {}");
      case Kind::kLessEqual:
        return binary("{} <= {}");
      case Kind::kGreater:
        return binary("{} > {}");
      case Kind::kGreaterEqual:
        return binary("{} >= {}");
      case Kind::kAnd:
        return binary("{} && {}");
      case Kind::kOr:
        return binary("{} || {}");
      case Kind::kSelect:
        return fmt::format("{} ? {} : {}", Arg(node, 0), Arg(node, 1), Arg(node, 2));
      case Kind::kMin:
        return binary("{1} < {0} ? {1} : {0}");
      case Kind::kMax:
        return binary("{0} < {1} ? {1} : {0}");
      case Kind::kAbs:
        return lane == Lane::kFloat || lane == Lane::kDouble
                   ? unary("abs({})")
                   : fmt::format("{0} < {1}(0) ? {1}(0) - {0} : {0}", Arg(node, 0), LaneType(lane));
      default:
        return FloatFunction(node, lane);
    }
  }

  Result<std::string> FloatFunction(const StageNode& node, Lane lane) {
    const std::string x = Arg(node, 0);
    if (node.kind == Kind::kFloor) return fmt::format("floor({})", x);
    if (node.kind == Kind::kSqrt) return fmt::format("sqrt({})", x);
    if (lane == Lane::kDouble) return Lacks(gpu_, "exp, log, sin, cos, tanh and pow of f64");
    switch (node.kind) {
      case Kind::kExp:
        return fmt::format("exp({})", x);
      case Kind::kLog:
        return fmt::format("log({})", x);
      case Kind::kSin:
        return fmt::format("sin({})", x);
      case Kind::kCos:
        return fmt::format("cos({})", x);
      case Kind::kTanh:  // some drivers overflow on the way
        return fmt::format("(abs({0}) > 9.0 ? sign({0}) : tanh({0}))", x);
      case Kind::kPow: {
        // GLSL's takes no negative base; a whole exponent keeps or drops the sign.
        const std::string y = Arg(node, 1);
        return fmt::format(
            "({1} == 0.0 ? 1.0 : {0} >= 0.0 ? pow({0}, {1}) : fract({1}) != 0.0 ? "
            "uintBitsToFloat(0x7FC00000u) : (fract({1} * 0.5) != 0.0 ? -1.0 : 1.0) * pow(-{0}, "
            "{1}))",
            x, y);
      }
      default:
        return Lacks(gpu_, "an operation that no kernel is written for");
    }
  }

  Result<std::string> Division(const StageNode& node, Lane lane) {
    const bool divides = node.kind == Kind::kDivide;
    const std::string a = Arg(node, 0), b = Arg(node, 1);
    if (lane == Lane::kI32 || lane == Lane::kI64) {
      kernel_.traps = true;
      return fmt::format("{}_{}({}, {}, trap)", divides ? "div" : "mod",
                         lane == Lane::kI32 ? "i32" : "i64", a, b);
    }
    if (divides) return fmt::format("{} / {}", a, b);
    if (lane == Lane::kDouble) return Lacks(gpu_, "% of f64");
    return fmt::format("mod_f32({}, {})", a, b);
  }

  static std::string Converted(Lane from, Lane to, const std::string& x) {
    if (from == to) return x;
    if (to == Lane::kBool) return fmt::format("{} != {}(0)", x, LaneType(from));
    const bool real = from == Lane::kFloat || from == Lane::kDouble;
    if (real && to == Lane::kI32)
      return fmt::format("to_i32{}({})", from == Lane::kDouble ? "_d" : "", x);
    if (real && to == Lane::kI64)
      return fmt::format("to_i64{}({})", from == Lane::kDouble ? "_d" : "", x);
    if (from == Lane::kI64 && to == Lane::kI32) return fmt::format("narrow_i64({})", x);
    return fmt::format("{}({})", LaneType(to), x);
  }

  // Where element i of a node that looks elsewhere lies in its tensor.
  std::string Elsewhere(size_t index) {
    const StageNode& node = stage_.nodes[index];
    const std::string element = node.wide ? "i" : "0u";
    const auto number = [&](size_t arg) {  // within 32 bits: more is beyond any tensor here
      const std::string name = Arg(node, arg);
      return stage_.nodes[node.args[arg]].scalar == Scalar::kI64
                 ? fmt::format("narrow_i64({})", name)
                 : name;
    };
    if (node.kind == Kind::kTranspose) {
      return fmt::format("{0} % {1}u * {2}u + {0} / {1}u", element, node.shape[0], node.shape[1]);
    }
    if (node.kind == Kind::kElement || node.kind == Kind::kRows) {
      uint64_t inner = 1;
      for (size_t d = 1; d < node.shape.size(); ++d) inner *= node.shape[d];
      const uint64_t taken = node.kind == Kind::kElement ? 1 : stage_.count / inner;
      return fmt::format("uint(clamp({}, 0, {})) * {}u + {}", number(0), node.shape[0] - taken,
                         inner, element);
    }
    std::string text;
    uint64_t stride = 1;
    for (size_t d = node.shape.size(); d-- > 0;) {
      const uint64_t size = node.shape[d];
      const std::string at = fmt::format("int({} / {}u % {}u)", element, stride, size);
      const std::string step =
          d < node.args.size() ? fmt::format(" - clamp({}, -{}, {})", number(d), size, size) : "";
      text += fmt::format("{}uint(clamp({}{}, 0, {})) * {}u", text.empty() ? "" : " + ", at, step,
                          size - 1, stride);
      stride *= size;
    }
    return text;
  }

  const Stage& stage_;
  const GpuInfo& gpu_;
  GlslKernel kernel_;
  uint32_t lanes_ = kLanes;
  bool int64_ = false, float64_ = false;
  std::string shared_, once_, each_, body_;
};

}  // namespace

Result<std::vector<GlslKernel>> WriteGlsl(const Stage& stage, const GpuInfo& gpu) {
  return Writer(stage, gpu).Write();
}

}  // namespace tinyai
