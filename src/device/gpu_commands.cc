#include "device/gpu_commands.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/checked.h"
#include "device/extern_glsl.h"
#include "device/extern_kernels.h"
#include "device/lower_eval.h"
#include "fmt/format.h"
#include "program/extern_calls.h"

namespace tinyai {
namespace {

// outs[0] = ins[0] ? ins[1] : ins[2], as an eval's stage.
LoweredEval LowerMerge(const Program& program, const Eval& eval) {
  const ProgramType& type = program.def(eval.outs[0]).type;
  Stage stage;
  stage.out = {.kind = Slot::Kind::kOut, .type = type};
  stage.count = ElementCount(type);
  for (uint32_t i = 0; i < 3; ++i) {
    const ProgramType& from = program.def(eval.ins[i]).type;
    stage.slots.push_back({.index = i, .type = from});
    stage.nodes.push_back({.kind = ExprNode::Kind::kOperand,
                           .scalar = from.scalar,
                           .wide = !from.shape.empty(),
                           .slot = i,
                           .shape = from.shape});
  }
  stage.nodes.push_back({.kind = ExprNode::Kind::kSelect,
                         .scalar = type.scalar,
                         .wide = !type.shape.empty(),
                         .args = {0, 1, 2}});
  return {{std::move(stage)}, 0};
}

class Binder {
 public:
  Binder(RunState& state, GpuKernels& kernels, Budget& budget, GpuCommands& out)
      : state_(state), program_(state.program), kernels_(kernels), budget_(budget), out_(out) {}

  Status Bind() {
    TRY(Lower());
    TRY(TakeMemory());
    for (const Planned& one : planned_) TRY(BindCommand(one));
    return {};
  }

 private:
  struct Planned {
    size_t place = 0, command = 0;
    NetOpId op{};
    LoweredEval lowered;
    std::vector<std::vector<GlslKernel>> kernels;  // by stage
    // By operand: the counted loop whose index it is.
    std::vector<std::optional<uint64_t>> counted;
  };

  Status Lower() {
    const auto& queues = program_.plan.queues;
    out_.work.resize(queues.size());
    counts_.assign(queues.size(), false);
    for (size_t place = 0; place < queues.size(); ++place) {
      if (!state_.places[place]->on_gpu) continue;
      out_.work[place].resize(queues[place].size());
      for (std::vector<GpuWork>& work : out_.work[place]) work.resize(Window());
      for (size_t at = 0; at < queues[place].size(); ++at) {
        const NetOpId id = queues[place][at].op;
        if (const auto* work = std::get_if<work::Evaluate>(&program_.work[Index(id)])) {
          TRY(LowerOne(place, at, *work));
        } else if (std::holds_alternative<work::Move>(program_.work[Index(id)])) {
          TRY(BindMove(place, at, program_.net.op(id)));
        } else if (const auto* carry = std::get_if<work::Carry>(&program_.work[Index(id)])) {
          if (CountedAt(carry->from)) counts_[place] = true;
        } else if (std::holds_alternative<work::Print>(program_.work[Index(id)])) {
          return Fail(ErrorCode::kUnsupported, "GPU_FEATURE",
                      program_.net.op(id).name + ": only the CPU prints");
        }
      }
    }
    return {};
  }

  uint64_t Window() const { return program_.body ? program_.body->window : 1; }
  // Where among the counted loops around a command a def is the index of one.
  std::optional<uint64_t> CountedAt(DefId def) const {
    if (!program_.body) return std::nullopt;
    const std::vector<uint32_t>& around = program_.body->around;
    for (size_t i = 0; i <= around.size(); ++i) {
      const uint32_t loop = i < around.size() ? around[i] : program_.body->loop;
      if (program_.program.loops[loop].index == def) return i;
    }
    return std::nullopt;
  }

  Status LowerOne(size_t place, size_t at, const work::Evaluate& work) {
    const Eval& eval = program_.program.eval(work.eval);
    Planned one{place, at, program_.plan.queues[place][at].op, {}, {}, {}};
    const std::string& name = program_.net.op(one.op).name;
    switch (eval.kind) {
      case Eval::Kind::kMerge:
        one.lowered = LowerMerge(program_.program, eval);
        break;
      case Eval::Kind::kCompute:
        one.lowered = LowerEval(program_.program, eval, program_.devices.places[place]);
        break;
      default:
        return Fail(ErrorCode::kUnsupported, "GPU_FEATURE",
                    fmt::format("'{}': loops and outputs run on the CPU only", name));
    }
    for (const DefId def : eval.ins) {
      const std::optional<uint64_t> counted = CountedAt(def);
      one.counted.push_back(counted);
      if (counted) counts_[place] = true;
    }
    for (const Stage& stage : one.lowered.stages) {
      one.kernels.emplace_back();
      if (stage.count == 0) continue;
      Result<std::vector<GlslKernel>> kernels = KernelsOf(stage, place);
      if (!kernels) {
        Error error = std::move(kernels).error();
        error.message = fmt::format("'{}': {}", name, error.message);
        return tl::unexpected(std::move(error));
      }
      for (const GlslKernel& kernel : *kernels) out_.trap_count += kernel.traps;
      one.kernels.back() = std::move(*kernels);
    }
    scratch_bytes_ = std::max(scratch_bytes_, one.lowered.scratch_bytes);
    planned_.push_back(std::move(one));
    return {};
  }

  Result<std::vector<GlslKernel>> KernelsOf(const Stage& stage, size_t place) const {
    if (stage.kind != Stage::Kind::kExtern) return WriteGlsl(stage, kernels_.device().info());
    const ProgramExtern& called = program_.program.externs[stage.index];
    const std::string& name = KernelAt(called, program_.devices.places[place])->name;
    return std::vector{ExternGlsl(stage, *state_.options.kernels->FindShader(name))};
  }

  Status TakeMemory() {
    GpuDevice& device = kernels_.device();
    out_.trap_stride = std::max<uint64_t>(device.info().limits.offset_alignment, 4);
    TRY_ASSIGN(out_.scratch, device.Allocate(budget_, GpuArena::Kind::kDevice, scratch_bytes_,
                                             "the GPU's scratch memory"));
    TRY_ASSIGN(out_.traps,
               device.Allocate(budget_, GpuArena::Kind::kHost,
                               out_.trap_stride * std::max<uint64_t>(out_.trap_count, 1),
                               "the GPU's traps"));
    std::memset(out_.traps.data(), 0, out_.traps.size());
    out_.count_stride = std::max<uint64_t>(device.info().limits.offset_alignment, 8);
    out_.counts.resize(counts_.size());
    for (size_t place = 0; place < counts_.size(); ++place) {
      if (!counts_[place]) continue;
      const uint64_t counts = program_.body->around.size() + Window();
      TRY_ASSIGN(out_.counts[place],
                 device.Allocate(budget_, GpuArena::Kind::kHost, out_.count_stride * counts,
                                 "the GPU's loop indexes"));
    }
    return {};
  }

  Status BindCommand(const Planned& one) {
    for (uint64_t iteration = 0; iteration < Window(); ++iteration) {
      const uint64_t traps = traps_bound_;
      TRY(BindIteration(one, iteration));
      if (iteration + 1 < Window()) traps_bound_ = traps;  // they share theirs
    }
    return {};
  }
  Status BindIteration(const Planned& one, uint64_t iteration) {
    const NetOp& op = program_.net.op(one.op);
    for (size_t i = 0; i < one.kernels.size(); ++i) {
      const Stage& stage = one.lowered.stages[i];
      for (const GlslKernel& kernel : one.kernels[i]) {
        GpuWork::Dispatch dispatch;
        std::vector<GpuRange> ranges;
        const auto add = [&](const GpuRange& range, bool write) {
          ranges.push_back(range);
          dispatch.accesses.push_back({range, write});
        };
        for (const uint32_t slot : kernel.slots) {
          add(RangeOf(one, stage.slots[slot], iteration), false);
        }
        add(RangeOf(one, stage.out, iteration), true);
        if (kernel.traps) add({&out_.traps, out_.trap_stride * traps_bound_++, 4}, true);
        for (const GpuRange& range : ranges) TRY(CheckRange(op, range));
        TRY_ASSIGN(const GpuKernels::Made* const made, kernels_.Find(op.name, kernel));
        dispatch.groups = made->groups;
        TRY_ASSIGN(dispatch.binding, kernels_.device().Bind(made->kernel, ranges));
        out_.work[one.place][one.command][iteration].dispatches.push_back(std::move(dispatch));
      }
    }
    return {};
  }

  Status BindMove(size_t place, size_t at, const NetOp& op) {
    for (uint64_t iteration = 0; iteration < Window(); ++iteration) {
      const NetBuffer from = state_.Operand(op.ins[0], iteration);
      const NetBuffer to = state_.Outcome(op.outs[0], iteration);
      if (from.bytes == 0) continue;
      out_.work[place][at][iteration].copy = {ArenaRange(from, from.bytes),
                                              ArenaRange(to, from.bytes)};
    }
    return {};
  }

  GpuRange ArenaRange(const NetBuffer& buffer, uint64_t bytes) const {
    return {&state_.shared.memories[Index(buffer.memory)].gpu, buffer.offset, bytes};
  }

  GpuRange RangeOf(const Planned& one, const Slot& slot, uint64_t iteration) const {
    const NetOp& op = program_.net.op(one.op);
    const uint64_t bytes = ByteSize(slot.type);
    switch (slot.kind) {
      case Slot::Kind::kIn: {
        if (one.counted[slot.index]) {
          const uint64_t outer = program_.body->around.size(), loop = *one.counted[slot.index];
          return {&out_.counts[one.place],
                  out_.count_stride * (loop + (loop == outer ? iteration : 0)), bytes};
        }
        // Indexes are no operands of the net.
        const auto before = one.counted.begin() + static_cast<ptrdiff_t>(slot.index);
        const auto counted = std::count_if(one.counted.begin(), before,
                                           [](const auto& each) { return each.has_value(); });
        const size_t index = slot.index - static_cast<size_t>(counted);
        return ArenaRange(state_.Operand(op.ins[index], iteration), bytes);
      }
      case Slot::Kind::kOut:
        return ArenaRange(state_.Outcome(op.outs[slot.index], iteration), bytes);
      default:
        return {&out_.scratch, slot.offset, bytes};
    }
  }

  Status CheckRange(const NetOp& op, const GpuRange& range) const {
    const uint64_t alignment = kernels_.device().info().limits.offset_alignment;
    if (range.offset % alignment == 0 && range.bytes > 0) return {};
    return Fail(
        ErrorCode::kSchedule, "PROGRAM_ALIGNMENT",
        fmt::format("'{}': a buffer at byte {} of its memory; the GPU needs multiples of {}: "
                    "write 'align {}' behind the memory in the device file",
                    op.name, range.offset, alignment, std::max<uint64_t>(alignment, 256)));
  }

  RunState& state_;
  const CompiledProgram& program_;
  GpuKernels& kernels_;
  Budget& budget_;
  std::vector<Planned> planned_;
  uint64_t scratch_bytes_ = 0, traps_bound_ = 0;
  std::vector<bool> counts_;  // by place: whether it reads an index
  GpuCommands& out_;
};

}  // namespace

Status BindCommands(RunState& state, GpuKernels& kernels, Budget& budget, GpuCommands& out) {
  return Binder(state, kernels, budget, out).Bind();
}

}  // namespace tinyai
