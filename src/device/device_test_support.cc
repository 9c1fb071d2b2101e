#include "device/device_test_support.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "device/program_input.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

using Kind = ExprNode::Kind;

constexpr Scalar kScalars[] = {Scalar::kI32, Scalar::kI32,  Scalar::kI64, Scalar::kF32,
                               Scalar::kF16, Scalar::kBF16, Scalar::kF64, Scalar::kBool};

bool IsFloat(Scalar scalar) { return scalar >= Scalar::kF16 && scalar <= Scalar::kF64; }
bool IsNumber(Scalar scalar) { return scalar != Scalar::kBool; }

class Maker {
 public:
  Maker(const RandomProgramShape& shape, uint64_t seed) : shape_(shape), random_(seed) {
    out_.program.scopes.emplace_back();
  }

  RandomProgram Make() {
    const uint32_t inputs = 2 + Below(3);
    for (uint32_t i = 0; i < inputs; ++i) AddInput();
    for (uint32_t i = 0; i < shape_.statements; ++i) {
      if (shape_.arms && depth_ == 0 && Below(8) == 0) {
        AddIf();
      } else {
        AddStatement();
      }
    }
    return std::move(out_);
  }

 private:
  uint32_t Below(uint64_t n) { return static_cast<uint32_t>(random_() % n); }

  ProgramType RandomType() {
    if (shape_.sensitive) {
      return {Scalar::kI64, Below(2) == 0 ? Dimensions{} : Dimensions{6}};
    }
    ProgramType type{kScalars[Below(std::size(kScalars))], {}};
    if (!shape_.floats && IsFloat(type.scalar)) type.scalar = Scalar::kI32;
    if (shape_.tensors && Below(3) != 0) {
      const uint32_t kind = Below(3);
      if (kind == 0) type.shape = {1 + Below(20)};
      if (kind == 1) type.shape = {3, 4};
      if (kind == 2) type.shape = {4, 3};
    }
    return type;
  }

  DefId AddDef(const ProgramType& type, std::string prefix = "v") {
    Program& program = out_.program;
    const auto id = static_cast<uint32_t>(program.defs.size());
    program.defs.push_back({.name = fmt::format("{}{}", prefix, id),
                            .type = type,
                            .maker = EvalId(program.evals.size())});
    return DefId(id);
  }

  void Finish(Eval eval, const ProgramType& type) {
    eval.scope = scope_;
    eval.code = out_.program.code->Keep(code_);
    code_.clear();
    const DefId def = AddDef(type);
    eval.outs = {def};
    out_.program.evals.push_back(std::move(eval));
    visible_.push_back(def);
  }

 public:
  std::string ValueText(const ProgramType& type) {
    if (type.shape.empty()) return NumberText(type.scalar) + "\n";
    std::string text = "[";
    for (uint64_t i = 0; i < ElementCount(type); ++i) text += NumberText(type.scalar) + " ";
    return text + "]\n";
  }

 private:
  std::string NumberText(Scalar scalar) {
    if (scalar == Scalar::kBool) return Below(2) == 0 ? "true" : "false";
    const int64_t whole = static_cast<int64_t>(Below(21)) - 10;
    if (!IsFloat(scalar)) {
      if (Below(10) == 0) return scalar == Scalar::kI32 ? "2147483647" : "-9223372036854775808";
      return fmt::format("{}", whole);
    }
    return fmt::format("{}", static_cast<double>(whole) / 4);
  }

  void AddInput() {
    const ProgramType type = RandomType();
    Eval eval;
    eval.input = true;
    Node({.kind = Kind::kInput, .type = type});
    Finish(std::move(eval), type);
    out_.input += ValueText(type);
  }

  // Arms whose values are used in them only.
  void AddIf() {
    Eval eval;
    const ProgramType truth{Scalar::kBool, {}};
    if (shape_.sensitive) {
      // The highest bit: in wrapped sums of odd multiples each is 0 or 1 as often.
      const uint32_t a = Sum(eval, {Scalar::kI64, {}});
      const uint32_t zero = Node({.kind = Kind::kConstant, .type = {Scalar::kI64, {}}});
      Node({.kind = Kind::kLess, .type = truth, .args = {a, zero}});
    } else {
      const uint32_t a = Leaf(eval, {Scalar::kI32, {}});
      const uint32_t b = Leaf(eval, {Scalar::kI32, {}});
      Node({.kind = Kind::kLess, .type = truth, .args = {a, b}});
    }
    Finish(std::move(eval), truth);
    Program& program = out_.program;
    const auto index = static_cast<uint32_t>(program.branches.size());
    const ScopeId parent = scope_;
    Branch branch{.condition = visible_.back(), .text = program.defs.back().name};
    const size_t seen = visible_.size();
    ++depth_;
    for (const bool then : {true, false}) {
      scope_ = ScopeId(program.scopes.size());
      (then ? branch.then : branch.otherwise) = scope_;
      const auto kind = then ? ProgramScope::Kind::kThen : ProgramScope::Kind::kElse;
      program.scopes.push_back({kind, parent, index});
      const uint32_t count = 1 + Below(3);
      for (uint32_t i = 0; i < count; ++i) AddStatement();
      visible_.resize(seen);
    }
    --depth_;
    scope_ = parent;
    program.branches.push_back(std::move(branch));
  }

  void AddStatement() {
    Eval eval;
    const ProgramType type = RandomType();
    if (shape_.sensitive) {
      Sum(eval, type);
    } else {
      Build(eval, type, 1 + Below(4));
    }
    Finish(std::move(eval), type);
  }

  uint32_t Node(ExprNode node) {
    code_.push_back(std::move(node));
    return static_cast<uint32_t>(code_.size() - 1);
  }

  // Of one to three values, each times another large odd number.
  uint32_t Sum(Eval& eval, const ProgramType& type) {
    const ProgramType one{Scalar::kI64, {}};
    const auto odd = [&] {
      return Node(
          {.kind = Kind::kConstant, .type = one, .integer = static_cast<int64_t>(random_() | 1)});
    };
    uint32_t sum = odd();
    if (!type.shape.empty()) {
      const uint32_t iota = Node({.kind = Kind::kIota, .type = type});
      sum = Node({.kind = Kind::kAdd, .type = type, .args = {iota, sum}});
    }
    const uint32_t terms = 1 + Below(3);
    for (uint32_t i = 0; i < terms; ++i) {
      const DefId def = visible_[Below(visible_.size())];
      const ProgramType& from = out_.program.def(def).type;
      if (from.scalar != Scalar::kI64) continue;  // a condition
      const auto found = std::find(eval.ins.begin(), eval.ins.end(), def);
      const auto index = static_cast<uint32_t>(found - eval.ins.begin());
      if (found == eval.ins.end()) eval.ins.push_back(def);
      uint32_t term = Node({.kind = Kind::kOperand, .index = index, .type = from});
      if (type.shape.empty() && !from.shape.empty()) {
        term = Node({.kind = Kind::kSum, .type = one, .args = {term}});
      }
      const ProgramType& wide = from.shape.empty() ? one : type;
      const uint32_t factor = odd();
      term = Node({.kind = Kind::kMultiply, .type = wide, .args = {term, factor}});
      sum = Node({.kind = Kind::kAdd, .type = type, .args = {sum, term}});
    }
    return sum;
  }

  // A value of the type that is there already, else a constant.
  uint32_t Leaf(Eval& eval, const ProgramType& type) {
    std::vector<DefId> fitting;
    for (const DefId def : visible_) {
      if (out_.program.def(def).type == type) fitting.push_back(def);
    }
    if (!fitting.empty() && Below(5) != 0) {
      const DefId def = fitting[Below(fitting.size())];
      const auto found = std::find(eval.ins.begin(), eval.ins.end(), def);
      const auto index = static_cast<uint32_t>(found - eval.ins.begin());
      if (found == eval.ins.end()) eval.ins.push_back(def);
      return Node({.kind = Kind::kOperand, .index = index, .type = type});
    }
    ExprNode constant{.kind = Kind::kConstant, .type = {type.scalar, {}}};
    constant.integer = type.scalar == Scalar::kBool ? Below(2) : static_cast<int>(Below(9)) - 4;
    constant.number = static_cast<double>(constant.integer) / 2;
    if (type.shape.empty()) return Node(constant);
    if (type.shape.size() == 1 && IsNumber(type.scalar) && Below(2) == 0) {
      return Node({.kind = Kind::kIota, .type = type});
    }
    const uint32_t value = Node(constant);
    return Node({.kind = Kind::kFill, .type = type, .args = {value}});
  }

  // An operand for an element of `type`: as wide, or a single number for all.
  uint32_t Side(Eval& eval, const ProgramType& type, uint32_t depth) {
    return Build(eval, Below(4) == 0 ? ProgramType{type.scalar, {}} : type, depth);
  }

  uint32_t Build(Eval& eval, const ProgramType& type, uint32_t depth) {
    if (depth == 0) return Leaf(eval, type);
    const Scalar scalar = type.scalar;
    if (scalar == Scalar::kBool) return BuildTruth(eval, type, depth);
    switch (Below(type.shape.empty() ? 13 : 15)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        constexpr Kind kKinds[] = {Kind::kAdd,    Kind::kSubtract, Kind::kMultiply, Kind::kDivide,
                                   Kind::kModulo, Kind::kMin,      Kind::kMax};
        const uint32_t a = Build(eval, type, depth - 1), b = Side(eval, type, depth - 1);
        const Kind kind = kKinds[Below(std::size(kKinds))];
        return Node({.kind = kind, .type = type, .args = {a, b}});
      }
      case 4: {
        const Kind kind = Below(2) == 0 ? Kind::kNegate : Kind::kAbs;
        const uint32_t a = Build(eval, type, depth - 1);
        return Node({.kind = kind, .type = type, .args = {a}});
      }
      case 5: {
        ProgramType from = type;
        from.scalar = kScalars[Below(std::size(kScalars))];
        if (!shape_.floats && IsFloat(from.scalar)) from.scalar = Scalar::kI64;
        const uint32_t a = Build(eval, from, depth - 1);
        return Node({.kind = Kind::kConvert, .type = type, .args = {a}});
      }
      case 6: {
        const uint32_t which = Side(eval, {Scalar::kBool, type.shape}, depth - 1);
        const uint32_t a = Build(eval, type, depth - 1), b = Side(eval, type, depth - 1);
        return Node({.kind = Kind::kSelect, .type = type, .args = {which, a, b}});
      }
      case 7: {
        if (!IsFloat(scalar)) return Leaf(eval, type);
        constexpr Kind kKinds[] = {Kind::kSqrt, Kind::kExp,  Kind::kLog,  Kind::kSin,
                                   Kind::kCos,  Kind::kTanh, Kind::kFloor};
        const uint32_t a = Build(eval, type, depth - 1);
        return Node({.kind = kKinds[Below(std::size(kKinds))], .type = type, .args = {a}});
      }
      case 8: {  // an element or a row
        ProgramType from = type;
        from.shape.push_front(1 + Below(4));
        const uint32_t a = Build(eval, from, depth - 1);
        const uint32_t i = Build(eval, {Scalar::kI32, {}}, depth - 1);
        return Node({.kind = Kind::kElement, .type = type, .args = {a, i}});
      }
      case 9: {
        if (!type.shape.empty()) return Leaf(eval, type);
        constexpr Kind kKinds[] = {Kind::kSum, Kind::kReduceMin, Kind::kReduceMax};
        const uint32_t a = Build(eval, {scalar, {1 + Below(2) * 600 + Below(9)}}, depth - 1);
        return Node({.kind = kKinds[Below(3)], .type = type, .args = {a}});
      }
      case 10: {
        const uint64_t k = 1 + Below(5);
        if (type.shape.size() != 2) return Leaf(eval, type);
        const uint32_t a = Build(eval, {scalar, {type.shape[0], k}}, depth - 1);
        const uint32_t b = Build(eval, {scalar, {k, type.shape[1]}}, depth - 1);
        return Node({.kind = Kind::kMatmul, .type = type, .args = {a, b}});
      }
      case 11: {
        if (type.shape.size() != 2) return Leaf(eval, type);
        const uint32_t a = Build(eval, {scalar, {type.shape[1], type.shape[0]}}, depth - 1);
        return Node({.kind = Kind::kTranspose, .type = type, .args = {a}});
      }
      case 12: {
        if (type.shape.empty()) return Leaf(eval, type);
        ProgramType from = type;
        from.shape[0] += Below(5);
        const uint32_t a = Build(eval, from, depth - 1);
        const uint32_t i =
            Build(eval, {Below(2) == 0 ? Scalar::kI32 : Scalar::kI64, {}}, depth - 1);
        return Node({.kind = Kind::kRows, .type = type, .args = {a, i}});
      }
      case 13: {
        ExprNode::Args args = {Build(eval, type, depth - 1)};
        const uint32_t steps = 1 + Below(type.shape.size());
        for (uint32_t i = 0; i < steps; ++i) args.push_back(Leaf(eval, {Scalar::kI32, {}}));
        return Node({.kind = Kind::kShift, .type = type, .args = args});
      }
      default: {
        if (type.shape.size() == 1 && scalar == Scalar::kI32 && Below(2) == 0) {
          const uint32_t a =
              Build(eval, {shape_.floats ? Scalar::kF32 : Scalar::kI32, {30}}, depth - 1);
          return Node({.kind = Kind::kHistogram, .type = type, .args = {a}});
        }
        if (type.shape[0] < 2) return Leaf(eval, type);
        ProgramType first = type, second = type;
        first.shape[0] = 1;
        second.shape[0] -= 1;
        const uint32_t a = Build(eval, first, depth - 1), b = Build(eval, second, depth - 1);
        return Node({.kind = Kind::kConcat, .type = type, .args = {a, b}});
      }
    }
  }

  uint32_t BuildTruth(Eval& eval, const ProgramType& type, uint32_t depth) {
    const uint32_t which = Below(4);
    if (which == 0) {
      const uint32_t a = Build(eval, type, depth - 1);
      return Node({.kind = Kind::kNot, .type = type, .args = {a}});
    }
    if (which == 1) {
      const uint32_t a = Build(eval, type, depth - 1), b = Side(eval, type, depth - 1);
      return Node({.kind = Below(2) == 0 ? Kind::kAnd : Kind::kOr, .type = type, .args = {a, b}});
    }
    constexpr Kind kKinds[] = {Kind::kEqual,     Kind::kNotEqual, Kind::kLess,
                               Kind::kLessEqual, Kind::kGreater,  Kind::kGreaterEqual};
    ProgramType from = type;
    from.scalar = shape_.floats && Below(2) == 0 ? Scalar::kF32 : Scalar::kI64;
    const uint32_t a = Build(eval, from, depth - 1), b = Side(eval, from, depth - 1);
    return Node({.kind = kKinds[Below(std::size(kKinds))], .type = type, .args = {a, b}});
  }

  const RandomProgramShape shape_;
  std::vector<ExprNode> code_;  // of the eval that is being made
  std::mt19937_64 random_;
  RandomProgram out_;
  std::vector<DefId> visible_;
  ScopeId scope_{};
  uint32_t depth_ = 0;
};

std::string Line(const std::string& name, const ProgramType& type, const std::byte* value) {
  return name + " = " + FormatValue(type, value);
}

}  // namespace

RandomProgram MakeRandomProgram(const RandomProgramShape& shape, uint64_t seed) {
  return Maker(shape, seed).Make();
}

std::string OtherInput(const RandomProgramShape& shape, const Program& program, uint64_t seed) {
  Maker maker(shape, seed);
  std::string text;
  for (const Eval& eval : program.evals) {
    if (eval.input) text += maker.ValueText(eval.code[0].type);
  }
  return text;
}

std::vector<std::string> OutputsDirectly(const CompiledProgram& compiled, const std::string& input,
                                         bool& trapped) {
  ProgramInput reader(input);
  const Result<DirectRun> direct = RunDirectly(compiled.program, reader);
  EXPECT_TRUE(direct) << Describe(direct.error());
  if (!direct) return {};
  trapped = direct->trapped;
  std::vector<std::string> lines;
  for (const NetWork& work : compiled.work) {
    const auto* const print = std::get_if<work::Print>(&work);
    if (print == nullptr) continue;
    for (const DefId def : print->defs) {
      const Def& one = compiled.program.def(def);
      if (const auto& value = direct->defs[Index(def)]) {
        lines.push_back(Line(one.name, one.type, value->data()));
      }
    }
  }
  return lines;
}

std::vector<std::string> OutputTexts(const ProgramRun& run) {
  std::vector<std::string> lines;
  for (const ProgramOutput& output : run.outputs) {
    lines.push_back(Line(output.name, output.type, output.value.data()));
  }
  return lines;
}

std::vector<SyncAt> SyncsOf(const NetPlan& plan) {
  std::vector<SyncAt> syncs;
  for (uint32_t place = 0; place < plan.queues.size(); ++place) {
    for (uint32_t at = 0; at < plan.queues[place].size(); ++at) {
      for (uint32_t i = 0; i < plan.queues[place][at].syncs.size(); ++i) {
        syncs.push_back({PlaceId(place), at, i});
      }
    }
  }
  return syncs;
}

NetPlan WithoutSync(NetPlan plan, const SyncAt& dropped) {
  auto& syncs = plan.queues[Index(dropped.place)][dropped.command].syncs;
  syncs.erase(syncs.begin() + dropped.index);
  return plan;
}

GapDelay::GapDelay(const NetPlan& plan, const SyncAt& dropped, PlaceId held)
    : held_(held), ahead_(dropped.place) {
  // What each place knows of the held one before each of its commands, until nothing changes: syncs
  // may point back and forth.
  const size_t places = plan.queues.size();
  std::vector<std::vector<uint32_t>> known(places);
  for (size_t p = 0; p < places; ++p) known[p].resize(plan.queues[p].size() + 1);
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t p = 0; p < places; ++p) {
      uint32_t knows = 0;
      for (uint32_t at = 0; at < plan.queues[p].size(); ++at) {
        for (const NetSync& sync : plan.queues[p][at].syncs) {
          const NetFence& passed = plan.fences[sync.fence];
          knows =
              std::max(knows, passed.place == held_ ? passed.command + 1
                                                    : known[Index(passed.place)][passed.command]);
        }
        changed = changed || knows > known[p][at];
        known[p][at] = std::max(known[p][at], knows);
      }
      known[p].back() = knows;
    }
  }
  const std::vector<uint32_t>& ours = known[Index(ahead_)];
  hold_at_ = ours[dropped.command];
  until_ = dropped.command + 1;
  while (until_ + 1 < ours.size() && ours[until_] == hold_at_) ++until_;
}

void GapDelay::operator()(PlaceId place, uint32_t command, const PlacePositions& positions) const {
  if (place != held_ || command != hold_at_) return;
  positions.WaitFor(ahead_, until_, std::chrono::milliseconds(20));
}

}  // namespace tinyai
