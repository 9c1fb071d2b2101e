#include "device/lower_eval.h"

#include <algorithm>
#include <optional>

#include "base/checked.h"
#include "program/extern_calls.h"

namespace tinyai {
namespace {

using Kind = ExprNode::Kind;

// Kinds that end a stage: their operands have to be there as a whole, or they are no expression.
bool IsStage(Kind kind) {
  switch (kind) {
    case Kind::kInput:
    case Kind::kArray:
    case Kind::kSum:
    case Kind::kReduceMin:
    case Kind::kReduceMax:
    case Kind::kMatmul:
    case Kind::kConcat:
    case Kind::kHistogram:
    case Kind::kExtern:
    case Kind::kClass:
    case Kind::kCall:
      return true;
    default:
      return false;
  }
}

bool IsQuantised(Scalar scalar) { return scalar == Scalar::kQ8 || scalar == Scalar::kQ4; }

class Lowering {
 public:
  Lowering(const Program& program, const Eval& eval, const Devices::Place& place)
      : program_(program), eval_(eval), place_(place), slots_(eval.code.size()) {}

  LoweredEval Run() {
    const auto last = static_cast<uint32_t>(eval_.code.size() - 1);
    Make(last, Slot{.kind = Slot::Kind::kOut, .index = 0, .type = eval_.code[last].type});
    out_.scratch_bytes = scratch_;
    return std::move(out_);
  }

 private:
  const ExprNode& node(uint32_t i) const { return eval_.code[i]; }

  Slot Scratch(const ProgramType& type) {
    Slot slot{.kind = Slot::Kind::kScratch, .offset = scratch_, .type = type};
    scratch_ += RoundUp(std::max<uint64_t>(ByteSize(type), 1), kScratchAlignment);
    return slot;
  }

  // Where node i's tensor lies as a whole; computed now if it is not there yet.
  Slot Whole(uint32_t i) {
    if (slots_[i]) return *slots_[i];
    if (node(i).kind == Kind::kOperand) {
      return Slot{.kind = Slot::Kind::kIn, .index = node(i).index, .type = node(i).type};
    }
    if (node(i).kind == Kind::kReshape) {
      Slot slot = Whole(node(i).args[0]);
      slot.type = node(i).type;
      return slot;
    }
    const Slot slot = Scratch(node(i).type);
    Make(i, slot);
    slots_[i] = slot;
    return slot;
  }

  // Computes node i into `out`, from element `first` of it on.
  void Make(uint32_t i, const Slot& out, uint64_t first = 0) {
    const ExprNode& n = node(i);
    switch (n.kind) {
      case Kind::kArray:
      case Kind::kConcat:
        for (const uint32_t arg : n.args) {
          Make(arg, out, first);
          first += ElementCount(node(arg).type);
        }
        return;
      case Kind::kSum:
      case Kind::kReduceMin:
      case Kind::kReduceMax:
        return MakeOf(Stage::Kind::kReduce, i, out, first);
      case Kind::kHistogram:
        return MakeOf(Stage::Kind::kHistogram, i, out, first);
      case Kind::kMatmul:
      case Kind::kInput:
      case Kind::kExtern:
      case Kind::kClass:
      case Kind::kCall:
        return MakeWhole(i, out, first);
      default:
        break;
    }
    if (n.kind == Kind::kConvert && IsQuantised(node(n.args[0]).type.scalar)) {
      return MakeWhole(i, out, first);
    }
    Stage stage;
    stage.kind = Stage::Kind::kMap;
    stage.out = out;
    stage.first = first;
    stage.count = ElementCount(n.type);
    Fuse(stage, i);
    out_.stages.push_back(std::move(stage));
  }

  // A stage whose result is written from its first element on: elsewhere it is copied from there.
  void MakeWhole(uint32_t i, const Slot& out, uint64_t first) {
    if (first != 0 || out.type != node(i).type) {
      const Slot slot = Scratch(node(i).type);
      MakeWhole(i, slot, 0);
      slots_[i] = slot;
      return Copy(i, out, first);
    }
    const ExprNode& n = node(i);
    Stage stage;
    stage.out = out;
    stage.count = ElementCount(n.type);
    stage.index = n.index;
    for (const uint32_t arg : n.args) stage.slots.push_back(Whole(arg));
    switch (n.kind) {
      case Kind::kMatmul: {
        stage.kind = Stage::Kind::kMatmul;
        const ProgramType &a = stage.slots[0].type, &b = stage.slots[1].type;
        stage.m = a.shape.size() == 2 ? a.shape[0] : 1;
        stage.k = a.shape.back();
        stage.n = b.shape.size() == 2 ? b.shape[1] : 1;
        break;
      }
      case Kind::kInput:
        stage.kind = Stage::Kind::kInput;
        break;
      case Kind::kClass:
      case Kind::kExtern:
        stage.kind = Stage::Kind::kExtern;
        stage.index = *ExternAt(program_, n, place_);
        break;
      case Kind::kCall:
        stage.kind = Stage::Kind::kCall;
        MakeResults(stage, i);
        break;
      default:
        stage.kind = Stage::Kind::kDecode;
        break;
    }
    out_.stages.push_back(std::move(stage));
  }

  // A call that is the whole of an eval gives all of the eval's values.
  void MakeResults(Stage& stage, uint32_t i) {
    if (stage.out.kind != Slot::Kind::kOut) {
      stage.outs.push_back(stage.out);
      return;
    }
    const ProgramFunction& function = program_.functions[node(i).index];
    for (uint32_t j = 0; j < function.results.size(); ++j) {
      stage.outs.push_back(Slot{
          .kind = Slot::Kind::kOut, .index = j, .type = program_.def(function.results[j]).type});
    }
  }

  void MakeOf(Stage::Kind kind, uint32_t i, const Slot& out, uint64_t first) {
    if (kind == Stage::Kind::kHistogram && (first != 0 || out.type != node(i).type)) {
      const Slot slot = Scratch(node(i).type);
      MakeOf(kind, i, slot, 0);
      slots_[i] = slot;
      return Copy(i, out, first);
    }
    Stage stage;
    stage.kind = kind;
    stage.reduction = node(i).kind;
    stage.out = out;
    stage.first = first;
    stage.count = ElementCount(node(node(i).args[0]).type);
    Fuse(stage, node(i).args[0]);
    out_.stages.push_back(std::move(stage));
  }

  void Copy(uint32_t i, const Slot& out, uint64_t first) {
    Stage stage;
    stage.kind = Stage::Kind::kMap;
    stage.out = out;
    stage.first = first;
    stage.count = ElementCount(node(i).type);
    Fuse(stage, i);
    out_.stages.push_back(std::move(stage));
  }

  // Appends what node i needs to the stage's nodes.
  void Fuse(Stage& stage, uint32_t i) {
    std::vector<std::optional<uint32_t>> done(eval_.code.size());
    Add(stage, i, done);
  }

  uint32_t AddSlot(Stage& stage, const Slot& slot) {
    for (uint32_t s = 0; s < stage.slots.size(); ++s) {
      const Slot& other = stage.slots[s];
      if (other.kind == slot.kind && other.index == slot.index && other.offset == slot.offset) {
        return s;
      }
    }
    stage.slots.push_back(slot);
    return static_cast<uint32_t>(stage.slots.size() - 1);
  }

  uint32_t Add(Stage& stage, uint32_t i, std::vector<std::optional<uint32_t>>& done) {
    if (done[i]) return *done[i];
    const ExprNode& n = node(i);
    StageNode out;
    out.kind = n.kind;
    out.scalar = n.type.scalar;
    out.wide = !n.type.shape.empty();
    out.integer = n.integer;
    out.number = n.number;
    if (slots_[i] || IsStage(n.kind) || n.kind == Kind::kOperand ||
        (n.kind == Kind::kConvert && IsQuantised(node(n.args[0]).type.scalar))) {
      out.kind = Kind::kOperand;
      out.slot = AddSlot(stage, Whole(i));
      out.shape = n.type.shape;
    } else if (n.kind == Kind::kReshape) {
      done[i] = Add(stage, n.args[0], done);
      // One element seen as a number, or a number as a tensor: the width follows the new shape.
      if (stage.nodes[*done[i]].wide == out.wide) return *done[i];
      out.kind = Kind::kOperand;
      out.slot = AddSlot(stage, Whole(n.args[0]));
      out.shape = n.type.shape;
    } else if (n.kind == Kind::kElement || n.kind == Kind::kRows || n.kind == Kind::kShift ||
               n.kind == Kind::kTranspose) {
      const Slot slot = Whole(n.args[0]);
      out.slot = AddSlot(stage, slot);
      out.shape = slot.type.shape;
      for (size_t a = 1; a < n.args.size(); ++a) out.args.push_back(Add(stage, n.args[a], done));
    } else {
      for (const uint32_t arg : n.args) out.args.push_back(Add(stage, arg, done));
    }
    stage.nodes.push_back(std::move(out));
    done[i] = static_cast<uint32_t>(stage.nodes.size() - 1);
    return *done[i];
  }

  const Program& program_;
  const Eval& eval_;
  const Devices::Place& place_;
  std::vector<std::optional<Slot>> slots_;  // by node: where it was put as a whole
  uint64_t scratch_ = 0;
  LoweredEval out_;
};

}  // namespace

LoweredEval LowerEval(const Program& program, const Eval& eval, const Devices::Place& place) {
  return Lowering(program, eval, place).Run();
}

bool MayOverwrite(const LoweredEval& eval, uint32_t in) {
  if (eval.stages.size() != 1 || eval.stages[0].kind != Stage::Kind::kMap) return false;
  const Stage& stage = eval.stages[0];
  if (stage.first != 0) return false;
  for (const StageNode& node : stage.nodes) {
    const bool reads = node.kind == Kind::kOperand || node.kind == Kind::kElement ||
                       node.kind == Kind::kRows || node.kind == Kind::kShift ||
                       node.kind == Kind::kTranspose;
    if (!reads || stage.slots[node.slot].kind != Slot::Kind::kIn ||
        stage.slots[node.slot].index != in) {
      continue;
    }
    if (node.kind != Kind::kOperand) return false;
    if (!node.wide && stage.count > 1) return false;  // read again for each tile
  }
  return true;
}

}  // namespace tinyai
