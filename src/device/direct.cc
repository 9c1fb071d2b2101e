#include "device/direct.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>

#include "base/float16.h"
#include "device/direct_tensor.h"
#include "device/elements.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

using Kind = ExprNode::Kind;
__extension__ using Wide = __int128;  // holds every result before it wraps

bool IsFloat(Scalar scalar) {
  return scalar == Scalar::kF16 || scalar == Scalar::kBF16 || scalar == Scalar::kF32 ||
         scalar == Scalar::kF64;
}

using Number = DirectNumber;
using Tensor = DirectTensor;

double RoundTo(Scalar scalar, double x) {
  switch (scalar) {
    case Scalar::kF16:
      return F16ToFloat(FloatToF16(static_cast<float>(x)));
    case Scalar::kBF16:
      return Bf16ToFloat(FloatToBf16(static_cast<float>(x)));
    case Scalar::kF32:
      return static_cast<float>(x);
    default:
      return x;
  }
}

int64_t Wrap(Scalar scalar, Wide x) {
  return scalar == Scalar::kI32 ? static_cast<int32_t>(static_cast<uint32_t>(x))
                                : static_cast<int64_t>(static_cast<uint64_t>(x));
}

class Direct {
 public:
  Direct(const Program& program, ProgramInput& input, const ExternKernels* kernels)
      : program_(program), input_(input), kernels_(kernels) {
    out_.defs.resize(program.defs.size());
  }

  Result<DirectRun> Run() {
    TRY(RunScope(ScopeId{}));
    for (const auto& [def, tensor] : values_) out_.defs[Index(def)] = EncodeTensor(tensor);
    return std::move(out_);
  }

 private:
  Status RunScope(ScopeId scope) {
    for (uint32_t i = 0; i < program_.evals.size(); ++i) {
      const Eval& eval = program_.evals[i];
      if (Within(eval.scope, scope)) TRY(RunEval(eval));
    }
    return {};
  }

  // Whether `inner` is `outer` or an arm inside it that is taken.
  bool Within(ScopeId inner, ScopeId outer) {
    if (inner == outer) return true;
    const ProgramScope& scope = program_.scope(inner);
    const bool then = scope.kind == ProgramScope::Kind::kThen;
    if (!then && scope.kind != ProgramScope::Kind::kElse) return false;
    if (!Within(scope.parent, outer)) return false;
    const DefId condition = program_.branches[scope.index].condition;
    return (values_[condition].elements[0].whole != 0) == then;
  }

  Status RunEval(const Eval& eval) {
    switch (eval.kind) {
      case Eval::Kind::kMerge:
        values_[eval.outs[0]] =
            values_[eval.ins[values_[eval.ins[0]].elements[0].whole != 0 ? 1 : 2]];
        return {};
      case Eval::Kind::kLoop:
        return Loop(program_.loops[eval.index]);
      default:
        break;
    }
    std::vector<Tensor> nodes;
    std::vector<Tensor> results;  // of a call with several
    for (const ExprNode& node : eval.code) {
      TRY_ASSIGN(Tensor value, Compute(eval, node, nodes, results));
      nodes.push_back(std::move(value));
    }
    if (eval.kind == Eval::Kind::kOutput) {
      out_.outputs.push_back(EncodeTensor(nodes.back()));
    } else if (eval.outs.size() == 1) {
      values_[eval.outs[0]] = std::move(nodes.back());
    } else {
      for (size_t i = 0; i < eval.outs.size(); ++i) values_[eval.outs[i]] = results[i];
    }
    return {};
  }

  Status Loop(const ProgramLoop& loop) {
    if (Index(loop.entry) != 0) TRY(RunScope(loop.entry));
    for (const auto& carried : loop.carried) {
      values_[carried.param] = values_[carried.init];
      values_[carried.result] = values_[carried.init];
    }
    const int64_t begin = loop.index ? values_[loop.begin].elements[0].whole : 0;
    const int64_t end = loop.index ? values_[loop.end].elements[0].whole : 0;
    for (uint64_t trip = 0;; ++trip) {
      if (loop.index) {
        const Wide at = static_cast<Wide>(begin) + trip;
        if (at >= end) break;
        values_[*loop.index] =
            Tensor{program_.def(*loop.index).type, {Number{static_cast<int64_t>(at), 0}}};
      } else {
        TRY(RunScope(loop.test));
        if (values_[loop.condition].elements[0].whole == 0) break;
      }
      if (loop.most_trips != 0 && trip >= loop.most_trips) {
        return Fail(ErrorCode::kOther, "PROGRAM_LOOP", loop.name);
      }
      TRY(RunScope(loop.body));
      std::vector<Tensor> next;
      for (const auto& carried : loop.carried) next.push_back(values_[carried.next]);
      for (size_t i = 0; i < next.size(); ++i) {
        values_[loop.carried[i].param] = next[i];
        values_[loop.carried[i].result] = next[i];
      }
    }
    return {};
  }

  Status Call(const ProgramFunction& function, std::vector<Tensor> args,
              std::vector<Tensor>& results) {
    if (depth_ == 2000) return Fail(ErrorCode::kUnsupported, "PROGRAM_DEPTH", function.name);
    ++depth_;
    std::map<DefId, Tensor> before = values_;
    for (size_t i = 0; i < args.size(); ++i) values_[function.params[i]] = std::move(args[i]);
    TRY(RunScope(function.body));
    results.clear();
    for (const DefId def : function.results) results.push_back(values_[def]);
    values_ = std::move(before);
    --depth_;
    return {};
  }

  Result<Tensor> Compute(const Eval& eval, const ExprNode& node, const std::vector<Tensor>& nodes,
                         std::vector<Tensor>& results) {
    Tensor out{node.type, std::vector<Number>(ElementCount(node.type))};
    const auto arg = [&](size_t i) -> const Tensor& { return nodes[node.args[i]]; };
    const auto element = [&](size_t i, size_t j) {
      return arg(i).elements[arg(i).type.shape.empty() ? 0 : j];
    };
    switch (node.kind) {
      case Kind::kOperand:
        return values_[eval.ins[node.index]];
      case Kind::kInput: {
        std::vector<std::byte> bytes(ByteSize(node.type));
        TRY(input_.Read(node.type, bytes.data()));
        return DecodeTensor(node.type, bytes.data());
      }
      case Kind::kElement:
      case Kind::kRows: {
        const auto& shape = arg(0).type.shape;
        const uint64_t inner =
            std::accumulate(shape.begin() + 1, shape.end(), uint64_t{1}, std::multiplies<>());
        const uint64_t taken = node.kind == Kind::kElement ? 1 : node.type.shape[0];
        const uint64_t row = ClampRow(arg(1).elements[0].whole, shape[0], taken);
        for (size_t j = 0; j < out.elements.size(); ++j) {
          out.elements[j] = arg(0).elements[row * inner + j];
        }
        return out;
      }
      case Kind::kArray:
      case Kind::kConcat: {
        size_t at = 0;
        for (size_t i = 0; i < node.args.size(); ++i) {
          for (const Number& number : arg(i).elements) out.elements[at++] = number;
        }
        return out;
      }
      case Kind::kReshape:
        out.elements = arg(0).elements;
        return out;
      case Kind::kTranspose: {
        const uint64_t rows = node.type.shape[0], cols = node.type.shape[1];
        for (uint64_t r = 0; r < rows; ++r) {
          for (uint64_t c = 0; c < cols; ++c) {
            out.elements[r * cols + c] = arg(0).elements[c * rows + r];
          }
        }
        return out;
      }
      case Kind::kShift:
        return Shift(node, nodes);
      case Kind::kMatmul:
        return Matmul(node, arg(0), arg(1));
      case Kind::kSum:
      case Kind::kReduceMin:
      case Kind::kReduceMax:
        return Reduce(node, arg(0));
      case Kind::kHistogram:
        for (const Number& number : arg(0).elements) {
          const bool real = IsFloat(arg(0).type.scalar);
          const double bin = real ? std::floor(number.real) : static_cast<double>(number.whole);
          if (bin >= 0 && bin < static_cast<double>(out.elements.size())) {
            ++out.elements[static_cast<size_t>(bin)].whole;
          }
        }
        return out;
      case Kind::kIota:
        for (size_t j = 0; j < out.elements.size(); ++j) {
          out.elements[j] = {Wrap(node.type.scalar, static_cast<Wide>(j)),
                             RoundTo(node.type.scalar, static_cast<double>(j))};
        }
        return out;
      case Kind::kCall: {
        std::vector<Tensor> args;
        for (size_t i = 0; i < node.args.size(); ++i) args.push_back(arg(i));
        TRY(Call(program_.functions[node.index], std::move(args), results));
        return results[0];
      }
      case Kind::kExtern:
      case Kind::kClass:
        return Extern(node, nodes);
      default:
        for (size_t j = 0; j < out.elements.size(); ++j) {
          const size_t count = node.args.size();
          const Scalar from = count == 0 ? node.type.scalar : arg(0).type.scalar;
          out.elements[j] =
              One(node, from, count > 0 ? element(0, j) : Number{},
                  count > 1 ? element(1, j) : Number{}, count > 2 ? element(2, j) : Number{});
        }
        return out;
    }
  }

  Result<Tensor> Extern(const ExprNode& node, const std::vector<Tensor>& nodes) {
    const bool one = node.kind == Kind::kExtern;
    const uint32_t index = one ? node.index : program_.classes[node.index].externs[0];
    const std::string& name = program_.externs[index].kernels.at(0).name;
    const auto* const found = kernels_ == nullptr ? nullptr : kernels_->FindFunction(name);
    const bool quantised = node.type.scalar >= Scalar::kQ8;
    if (found == nullptr || quantised) {
      return Fail(ErrorCode::kUnsupported, "PROGRAM_EXTERN", name);
    }
    std::vector<std::vector<std::byte>> args;
    std::vector<KernelInput> inputs;
    args.reserve(node.args.size());
    for (const uint32_t arg : node.args) {
      inputs.push_back({&nodes[arg].type, args.emplace_back(EncodeTensor(nodes[arg])).data()});
    }
    std::vector<std::byte> out(ByteSize(node.type));
    TRY(CallKernel(*found, name, inputs, node.type, out.data()));
    return DecodeTensor(node.type, out.data());
  }

  Tensor Shift(const ExprNode& node, const std::vector<Tensor>& nodes) {
    const Tensor& in = nodes[node.args[0]];
    Tensor out{node.type, std::vector<Number>(in.elements.size())};
    const auto& shape = node.type.shape;
    for (size_t j = 0; j < out.elements.size(); ++j) {
      uint64_t rest = j, from = 0, stride = 1;
      for (size_t d = shape.size(); d-- > 0;) {
        const Wide step = d + 1 < node.args.size() ? nodes[node.args[d + 1]].elements[0].whole : 0;
        const Wide wish = static_cast<Wide>(rest % shape[d]) - step;
        const Wide most = static_cast<Wide>(shape[d]) - 1;
        from += static_cast<uint64_t>(std::clamp<Wide>(wish, 0, most)) * stride;
        stride *= shape[d];
        rest /= shape[d];
      }
      out.elements[j] = in.elements[from];
    }
    return out;
  }

  Tensor Matmul(const ExprNode& node, const Tensor& a, const Tensor& b) {
    const uint64_t k = a.type.shape.back();
    const uint64_t n = b.type.shape.size() == 2 ? b.type.shape[1] : 1;
    Tensor out{node.type, std::vector<Number>(ElementCount(node.type))};
    const Scalar scalar = node.type.scalar;
    const Scalar sum_of = scalar == Scalar::kF64 ? Scalar::kF64 : Scalar::kF32;
    for (size_t j = 0; j < out.elements.size(); ++j) {
      Number sum;
      for (uint64_t i = 0; i < k; ++i) {
        const Number x = a.elements[j / n * k + i], y = b.elements[i * n + j % n];
        sum.whole = Wrap(scalar, sum.whole + static_cast<Wide>(x.whole) * y.whole);
        sum.real = RoundTo(sum_of, sum.real + RoundTo(sum_of, x.real * y.real));
      }
      out.elements[j] = {sum.whole, RoundTo(scalar, sum.real)};
    }
    return out;
  }

  Tensor Reduce(const ExprNode& node, const Tensor& in) {
    const Scalar scalar = node.type.scalar;
    const Scalar sum_of = scalar == Scalar::kF64 ? Scalar::kF64 : Scalar::kF32;
    Number all;
    for (size_t i = 0; i < in.elements.size(); ++i) {
      const Number x = in.elements[i];
      if (node.kind == Kind::kSum) {
        all.whole = Wrap(scalar, static_cast<Wide>(all.whole) + x.whole);
        all.real = RoundTo(sum_of, all.real + x.real);
      } else if (i == 0) {
        all = x;
      } else if (node.kind == Kind::kReduceMin) {
        all = {std::min(all.whole, x.whole), x.real < all.real ? x.real : all.real};
      } else {
        all = {std::max(all.whole, x.whole), all.real < x.real ? x.real : all.real};
      }
    }
    return {node.type, {{all.whole, RoundTo(scalar, all.real)}}};
  }

  // One element of an operation that works on elements; `from` is the type of its operands.
  Number One(const ExprNode& node, Scalar from, Number a, Number b, Number c) {
    const Scalar to = node.type.scalar;
    const bool real = IsFloat(from);
    const auto whole = [&](Wide x) { return Number{Wrap(to, x), 0}; };
    const auto rounded = [&](double x) { return Number{0, RoundTo(to, x)}; };
    const auto truth = [](bool x) { return Number{x ? 1 : 0, 0}; };
    switch (node.kind) {
      case Kind::kConstant:
        return IsFloat(to) ? rounded(node.number) : whole(node.integer);
      case Kind::kConvert:
        return Converted(from, to, a);
      case Kind::kNegate:
        return real ? rounded(-a.real) : whole(-static_cast<Wide>(a.whole));
      case Kind::kNot:
        return truth(a.whole == 0);
      case Kind::kAdd:
        return real ? rounded(a.real + b.real) : whole(static_cast<Wide>(a.whole) + b.whole);
      case Kind::kSubtract:
        return real ? rounded(a.real - b.real) : whole(static_cast<Wide>(a.whole) - b.whole);
      case Kind::kMultiply:
        return real ? rounded(a.real * b.real) : whole(static_cast<Wide>(a.whole) * b.whole);
      case Kind::kDivide:
      case Kind::kModulo: {
        const bool divides = node.kind == Kind::kDivide;
        if (real) return rounded(divides ? a.real / b.real : std::fmod(a.real, b.real));
        if (b.whole == 0) {
          out_.trapped = true;
          return {};
        }
        return whole(divides ? static_cast<Wide>(a.whole) / b.whole
                             : static_cast<Wide>(a.whole) % b.whole);
      }
      case Kind::kEqual:
        return truth(real ? a.real == b.real : a.whole == b.whole);
      case Kind::kNotEqual:
        return truth(real ? a.real != b.real : a.whole != b.whole);
      case Kind::kLess:
        return truth(real ? a.real < b.real : a.whole < b.whole);
      case Kind::kLessEqual:
        return truth(real ? a.real <= b.real : a.whole <= b.whole);
      case Kind::kGreater:
        return truth(real ? a.real > b.real : a.whole > b.whole);
      case Kind::kGreaterEqual:
        return truth(real ? a.real >= b.real : a.whole >= b.whole);
      case Kind::kAnd:
        return truth(a.whole != 0 && b.whole != 0);
      case Kind::kOr:
        return truth(a.whole != 0 || b.whole != 0);
      case Kind::kSelect:
        return a.whole != 0 ? b : c;
      case Kind::kAbs:
        return real ? rounded(std::fabs(a.real))
                    : whole(a.whole < 0 ? -static_cast<Wide>(a.whole) : a.whole);
      case Kind::kMin:
        return {std::min(a.whole, b.whole), b.real < a.real ? b.real : a.real};
      case Kind::kMax:
        return {std::max(a.whole, b.whole), a.real < b.real ? b.real : a.real};
      case Kind::kPow:
        return rounded(std::pow(a.real, b.real));
      case Kind::kFill:
        return a;
      case Kind::kSqrt:
        return rounded(std::sqrt(a.real));
      case Kind::kExp:
        return rounded(std::exp(a.real));
      case Kind::kLog:
        return rounded(std::log(a.real));
      case Kind::kSin:
        return rounded(std::sin(a.real));
      case Kind::kCos:
        return rounded(std::cos(a.real));
      case Kind::kTanh:
        return rounded(std::tanh(a.real));
      default:
        return rounded(std::floor(a.real));
    }
  }

  static Number Converted(Scalar from, Scalar to, Number a) {
    const bool real = IsFloat(from);
    if (to == Scalar::kBool) return {(real ? a.real != 0 : a.whole != 0) ? 1 : 0, 0};
    if (IsFloat(to)) {
      // Whole numbers are rounded once, as from 64 bits to the float that holds the result.
      if (real || to == Scalar::kF64)
        return {0, RoundTo(to, real ? a.real : static_cast<double>(a.whole))};
      return {0, RoundTo(to, static_cast<float>(a.whole))};
    }
    const bool narrow = to == Scalar::kI32;
    if (real) return {narrow ? ToWhole<int32_t>(a.real) : ToWhole<int64_t>(a.real), 0};
    return {narrow ? ToWhole<int32_t>(a.whole) : a.whole, 0};
  }

  const Program& program_;
  ProgramInput& input_;
  const ExternKernels* const kernels_;
  std::map<DefId, Tensor> values_;
  uint32_t depth_ = 0;
  DirectRun out_;
};

}  // namespace

Result<DirectRun> RunDirectly(const Program& program, ProgramInput& input,
                              const ExternKernels* kernels) {
  return Direct(program, input, kernels).Run();
}

}  // namespace tinyai
