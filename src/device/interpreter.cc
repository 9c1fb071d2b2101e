#include "device/interpreter.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "device/check_kernels.h"
#include "device/cpu_stages.h"
#include "device/map_stage.h"
#include "device/run_state.h"
#include "fmt/format.h"
#include "program/extern_calls.h"

namespace tinyai {

struct Interpreter::Ready {
  EvalId eval{};
  LoweredEval lowered;
  std::vector<std::unique_ptr<TiledStage>> tiles;  // by stage; null where there are no nodes
  std::vector<uint32_t> overwritten;               // ins that the out may not share memory with
};

struct Interpreter::Body {
  struct Guard {
    DefId condition{};
    bool arm = true;
  };
  struct Item {
    EvalId eval{};
    std::vector<Guard> guards;  // of the arms around it, outermost first
  };
  std::vector<Item> items;
  std::vector<DefId> defs;  // that its evals make, in loops inside it too
};

// Where slots lie during one computation.
struct Interpreter::Memory {
  std::span<const std::byte* const> ins;
  std::span<std::byte* const> outs;
  std::byte* scratch = nullptr;

  const std::byte* Read(const Slot& slot) const {
    if (slot.kind == Slot::Kind::kIn) return ins[slot.index];
    return Write(slot);
  }
  std::byte* Write(const Slot& slot) const {
    return slot.kind == Slot::Kind::kOut ? outs[slot.index] : scratch + slot.offset;
  }
};

Interpreter::Interpreter(const Program& program, const Devices::Place& place,
                         const ExternKernels* kernels)
    : program_(program),
      place_(place),
      kernels_(kernels),
      ready_(program.evals.size()),
      bodies_(program.scopes.size()),
      defs_(program.defs.size()) {}
Interpreter::~Interpreter() = default;

Status Interpreter::Compute(EvalId id, std::span<const std::byte* const> ins,
                            std::span<std::byte* const> outs, ProgramInput* input) {
  const Eval& eval = program_.eval(id);
  input_ = input;
  calls_ = 0;
  scratch_.Release({});  // an error may have left something
  switch (eval.kind) {
    case Eval::Kind::kMerge: {
      const std::byte* const from = ins[ins[0][0] != std::byte{0} ? 1 : 2];
      if (from != outs[0]) std::memcpy(outs[0], from, ByteSize(program_.def(eval.outs[0]).type));
      return {};
    }
    case Eval::Kind::kLoop: {
      const ProgramLoop& loop = program_.loops[eval.index];
      for (size_t i = 0; i < eval.ins.size(); ++i) {
        // Inside, what comes from outside is only read.
        defs_[Index(eval.ins[i])] = const_cast<std::byte*>(ins[i]);
      }
      const Scratch::Mark mark = scratch_.Here();
      Status status = Loop(loop);
      for (size_t i = 0; i < eval.outs.size() && status; ++i) {
        std::memcpy(outs[i], defs_[Index(eval.outs[i])], ByteSize(program_.def(eval.outs[i]).type));
      }
      scratch_.Release(mark);
      return status;
    }
    default:
      return ComputeStages(ReadyEval(id), ins, outs);
  }
}

Interpreter::Ready& Interpreter::ReadyEval(EvalId id) {
  std::unique_ptr<Ready>& ready = ready_[Index(id)];
  if (ready == nullptr) {
    ready = std::make_unique<Ready>();
    ready->eval = id;
    const Eval& eval = program_.eval(id);
    ready->lowered = LowerEval(program_, eval, place_);
    for (const Stage& stage : ready->lowered.stages) {
      ready->tiles.push_back(stage.nodes.empty() ? nullptr : std::make_unique<TiledStage>(stage));
    }
    for (uint32_t i = 0; i < eval.ins.size(); ++i) {
      if (!MayOverwrite(ready->lowered, i)) ready->overwritten.push_back(i);
    }
  }
  return *ready;
}

Status Interpreter::ComputeStages(Ready& ready, std::span<const std::byte* const> ins,
                                  std::span<std::byte* const> outs) {
  const Scratch::Mark mark = scratch_.Here();
  Memory memory{ins, outs, scratch_.Take(ready.lowered.scratch_bytes)};
  // Where the result would destroy what is still to be read, it is made beside and copied.
  const bool beside = std::any_of(ready.overwritten.begin(), ready.overwritten.end(),
                                  [&](uint32_t i) { return ins[i] == outs[0]; });
  std::vector<std::byte*> other;
  uint64_t bytes = 0;
  if (beside) {
    bytes = ByteSize(ready.lowered.stages.back().out.type);
    other.assign(outs.begin(), outs.end());
    other[0] = scratch_.Take(bytes);
    memory.outs = other;
  }
  for (size_t i = 0; i < ready.lowered.stages.size(); ++i) TRY(ComputeStage(ready, i, memory));
  if (beside) std::memcpy(outs[0], other[0], bytes);
  scratch_.Release(mark);
  return {};
}

Status Interpreter::ComputeStage(Ready& ready, size_t index, const Memory& memory) {
  const Stage& stage = ready.lowered.stages[index];
  if (stage.kind == Stage::Kind::kCall) return Call(stage, memory);
  if (stage.kind == Stage::Kind::kExtern) return CallExtern(ready, stage, memory);
  std::byte* const out = memory.Write(stage.out);
  if (stage.kind == Stage::Kind::kInput) {
    if (input_ != nullptr) return input_->Read(stage.out.type, out);
    return Fail(ErrorCode::kBadFile, "PROGRAM_INPUT", "the program reads input and is given none");
  }
  std::vector<const std::byte*> slots;
  for (const Slot& slot : stage.slots) slots.push_back(memory.Read(slot));
  switch (stage.kind) {
    case Stage::Kind::kMap:
      MapOnCpu(stage, *ready.tiles[index], slots, out, trapped_);
      return {};
    case Stage::Kind::kReduce:
      ReduceOnCpu(stage, *ready.tiles[index], slots, out, trapped_);
      return {};
    case Stage::Kind::kHistogram:
      HistogramOnCpu(stage, *ready.tiles[index], slots, out, trapped_);
      return {};
    case Stage::Kind::kMatmul:
      MatmulOnCpu(stage, slots, out);
      return {};
    default:
      DecodeOnCpu(stage, slots, out);
      return {};
  }
}

Status Interpreter::CallExtern(const Ready& ready, const Stage& stage, const Memory& memory) {
  const std::string& name = KernelAt(program_.externs[stage.index], place_)->name;
  std::vector<KernelInput> inputs;
  for (const Slot& slot : stage.slots) inputs.push_back({&slot.type, memory.Read(slot)});
  const Status called = CallKernel(*kernels_->FindFunction(name), name, inputs, stage.out.type,
                                   memory.Write(stage.out));
  if (called) return {};
  return tl::unexpected(AtEval(program_, program_.eval(ready.eval), place_, called.error()));
}

Status Interpreter::Call(const Stage& stage, const Memory& memory) {
  const ProgramFunction& function = program_.functions[stage.index];
  if (calls_ == kMostCalls) {
    return Fail(
        ErrorCode::kUnsupported, "PROGRAM_DEPTH",
        fmt::format("'{}' is called {} deep, which is the most", function.name, kMostCalls));
  }
  ++calls_;
  const Scratch::Mark mark = scratch_.Here();
  // A function that calls itself has values of its own in each call.
  const std::vector<DefId>& own = BodyOf(function.body).defs;
  std::vector<std::byte*> before;
  for (const std::vector<DefId>* list : {&own, &function.params}) {
    for (const DefId def : *list) before.push_back(defs_[Index(def)]);
  }
  for (size_t i = 0; i < function.params.size(); ++i) {
    defs_[Index(function.params[i])] = const_cast<std::byte*>(memory.Read(stage.slots[i]));
  }
  Status status = RunBody(function.body);
  for (size_t i = 0; i < stage.outs.size() && status; ++i) {
    std::memmove(memory.Write(stage.outs[i]), defs_[Index(function.results[i])],
                 ByteSize(stage.outs[i].type));
  }
  size_t at = 0;
  for (const std::vector<DefId>* list : {&own, &function.params}) {
    for (const DefId def : *list) defs_[Index(def)] = before[at++];
  }
  scratch_.Release(mark);
  --calls_;
  return status;
}

Status Interpreter::Loop(const ProgramLoop& loop) {
  const auto bytes = [&](DefId def) { return ByteSize(program_.def(def).type); };
  const auto number = [&](DefId def) {
    int64_t wide = 0;
    int32_t narrow = 0;
    if (program_.def(def).type.scalar == Scalar::kI64) {
      std::memcpy(&wide, defs_[Index(def)], sizeof(wide));
      return wide;
    }
    std::memcpy(&narrow, defs_[Index(def)], sizeof(narrow));
    return static_cast<int64_t>(narrow);
  };
  if (Index(loop.entry) != 0) TRY(RunBody(loop.entry));
  for (const ProgramLoop::Carried& carried : loop.carried) {
    std::byte* const param = scratch_.Take(bytes(carried.param));
    std::memcpy(param, defs_[Index(carried.init)], bytes(carried.param));
    defs_[Index(carried.param)] = param;
    defs_[Index(carried.result)] = param;  // what is carried last
  }
  if (loop.index) defs_[Index(*loop.index)] = scratch_.Take(8);
  const int64_t begin = loop.index ? number(loop.begin) : 0;
  const int64_t end = loop.index ? number(loop.end) : 0;
  std::vector<std::byte*> next(loop.carried.size());
  for (size_t i = 0; i < next.size(); ++i) next[i] = scratch_.Take(bytes(loop.carried[i].param));
  for (uint64_t trip = 0;; ++trip) {
    if (stop_ != nullptr && stop_->load(std::memory_order_relaxed)) {
      return Fail(ErrorCode::kCancelled, "CANCELLED", "the program was stopped");
    }
    const Scratch::Mark mark = scratch_.Here();
    if (loop.index) {
      if (begin >= end || trip >= static_cast<uint64_t>(end) - static_cast<uint64_t>(begin)) break;
      const auto value = static_cast<int64_t>(static_cast<uint64_t>(begin) + trip);
      std::byte* const at = defs_[Index(*loop.index)];
      if (program_.def(*loop.index).type.scalar == Scalar::kI64) {
        std::memcpy(at, &value, sizeof(value));
      } else {
        const auto narrow = static_cast<int32_t>(value);
        std::memcpy(at, &narrow, sizeof(narrow));
      }
    } else {
      TRY(RunBody(loop.test));
      if (defs_[Index(loop.condition)][0] == std::byte{0}) break;
    }
    TRY(CheckTrips(loop, trip));
    TRY(RunBody(loop.body));
    for (size_t i = 0; i < next.size(); ++i) {
      std::memcpy(next[i], defs_[Index(loop.carried[i].next)], bytes(loop.carried[i].param));
    }
    for (size_t i = 0; i < next.size(); ++i) {
      std::memcpy(defs_[Index(loop.carried[i].param)], next[i], bytes(loop.carried[i].param));
    }
    scratch_.Release(mark);
  }
  return {};
}

const Interpreter::Body& Interpreter::BodyOf(ScopeId scope) {
  std::unique_ptr<Body>& body = bodies_[Index(scope)];
  if (body != nullptr) return *body;
  body = std::make_unique<Body>();
  for (uint32_t i = 0; i < program_.evals.size(); ++i) {
    const Eval& eval = program_.evals[i];
    Body::Item item{EvalId(i), {}};
    bool inside = false, directly = true;
    for (ScopeId at = eval.scope;; at = program_.scope(at).parent) {
      if (at == scope) {
        inside = true;
        break;
      }
      const ProgramScope& one = program_.scope(at);
      if (one.kind == ProgramScope::Kind::kProgram || one.kind == ProgramScope::Kind::kFunction) {
        break;
      }
      const bool then = one.kind == ProgramScope::Kind::kThen;
      if (!then && one.kind != ProgramScope::Kind::kElse)
        directly = false;
      else
        item.guards.insert(item.guards.begin(), {program_.branches[one.index].condition, then});
    }
    if (!inside) continue;
    body->defs.insert(body->defs.end(), eval.outs.begin(), eval.outs.end());
    if (eval.kind == Eval::Kind::kLoop) {
      const ProgramLoop& loop = program_.loops[eval.index];
      if (loop.index) body->defs.push_back(*loop.index);
      for (const ProgramLoop::Carried& carried : loop.carried) {
        body->defs.push_back(carried.param);
      }
    }
    if (directly) body->items.push_back(std::move(item));
  }
  return *body;
}

Status Interpreter::RunBody(ScopeId scope) {
  for (const Body::Item& item : BodyOf(scope).items) {
    const bool taken = std::all_of(item.guards.begin(), item.guards.end(), [&](const auto& guard) {
      return (defs_[Index(guard.condition)][0] != std::byte{0}) == guard.arm;
    });
    if (taken) TRY(RunInside(item.eval));
  }
  return {};
}

// An eval inside a loop or a function: its values lie in scratch memory until the iteration or call
// is over.
Status Interpreter::RunInside(EvalId id) {
  const Eval& eval = program_.eval(id);
  if (eval.kind == Eval::Kind::kMerge) {
    const bool first = defs_[Index(eval.ins[0])][0] != std::byte{0};
    defs_[Index(eval.outs[0])] = defs_[Index(eval.ins[first ? 1 : 2])];
    return {};
  }
  if (eval.kind == Eval::Kind::kLoop) return Loop(program_.loops[eval.index]);
  std::vector<const std::byte*> ins;
  for (const DefId def : eval.ins) ins.push_back(defs_[Index(def)]);
  std::vector<std::byte*> outs;
  for (const DefId def : eval.outs) {
    outs.push_back(defs_[Index(def)] = scratch_.Take(ByteSize(program_.def(def).type)));
  }
  if (eval.kind != Eval::Kind::kOutput) return ComputeStages(ReadyEval(id), ins, outs);
  outs.push_back(scratch_.Take(ByteSize(eval.code.back().type)));
  TRY(ComputeStages(ReadyEval(id), ins, outs));
  if (output_) output_(eval, outs[0]);
  return {};
}

}  // namespace tinyai
