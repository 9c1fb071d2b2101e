#include "device/gpu_commands.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/checked.h"
#include "device/lower_eval.h"
#include "fmt/format.h"

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
  };

  Status Lower() {
    const auto& queues = program_.plan.queues;
    out_.work.resize(queues.size());
    for (size_t place = 0; place < queues.size(); ++place) {
      if (!state_.places[place]->on_gpu) continue;
      out_.work[place].resize(queues[place].size());
      for (size_t at = 0; at < queues[place].size(); ++at) {
        const NetOpId id = queues[place][at].op;
        if (const auto* work = std::get_if<work::Evaluate>(&program_.work[Index(id)])) {
          TRY(LowerOne(place, at, *work));
        } else if (std::holds_alternative<work::Move>(program_.work[Index(id)])) {
          TRY(BindMove(place, at, program_.net.op(id)));
        } else if (std::holds_alternative<work::Print>(program_.work[Index(id)])) {
          return Fail(ErrorCode::kUnsupported, "GPU_FEATURE",
                      program_.net.op(id).name + ": only the CPU prints");
        }
      }
    }
    return {};
  }

  Status LowerOne(size_t place, size_t at, const work::Evaluate& work) {
    const Eval& eval = program_.program.eval(work.eval);
    Planned one{place, at, program_.plan.queues[place][at].op, {}, {}};
    const std::string& name = program_.net.op(one.op).name;
    switch (eval.kind) {
      case Eval::Kind::kMerge:
        one.lowered = LowerMerge(program_.program, eval);
        break;
      case Eval::Kind::kCompute:
        one.lowered = LowerEval(program_.program, eval, work.chosen);
        break;
      default:
        return Fail(ErrorCode::kUnsupported, "GPU_FEATURE",
                    fmt::format("'{}': loops and outputs run on the CPU only", name));
    }
    for (const Stage& stage : one.lowered.stages) {
      one.kernels.emplace_back();
      if (stage.count == 0) continue;
      Result<std::vector<GlslKernel>> kernels = WriteGlsl(stage, kernels_.device().info());
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
    return {};
  }

  Status BindCommand(const Planned& one) {
    const NetOp& op = program_.net.op(one.op);
    for (size_t i = 0; i < one.kernels.size(); ++i) {
      const Stage& stage = one.lowered.stages[i];
      for (const GlslKernel& kernel : one.kernels[i]) {
        GpuWork::Dispatch dispatch;
        dispatch.groups = kernel.groups;
        std::vector<GpuRange> ranges;
        const auto add = [&](const GpuRange& range, bool write) {
          ranges.push_back(range);
          dispatch.accesses.push_back({range, write});
        };
        for (const uint32_t slot : kernel.slots) add(RangeOf(op, stage.slots[slot]), false);
        add(RangeOf(op, stage.out), true);
        if (kernel.traps) add({&out_.traps, out_.trap_stride * traps_bound_++, 4}, true);
        for (const GpuRange& range : ranges) TRY(CheckRange(op, range));
        TRY_ASSIGN(const GpuKernel* const made, kernels_.Find(op.name, kernel));
        TRY_ASSIGN(dispatch.binding, kernels_.device().Bind(*made, ranges));
        out_.work[one.place][one.command].dispatches.push_back(std::move(dispatch));
      }
    }
    return {};
  }

  Status BindMove(size_t place, size_t at, const NetOp& op) {
    const NetBuffer& from = state_.BufferOf(op.ins[0]);
    const NetBuffer& to = state_.BufferOf(op.outs[0]);
    if (from.bytes == 0) return {};
    out_.work[place][at].copy = {ArenaRange(from, from.bytes), ArenaRange(to, from.bytes)};
    return {};
  }

  GpuRange ArenaRange(const NetBuffer& buffer, uint64_t bytes) const {
    return {&state_.memories[Index(buffer.memory)].gpu, buffer.offset, bytes};
  }

  GpuRange RangeOf(const NetOp& op, const Slot& slot) const {
    const uint64_t bytes = ByteSize(slot.type);
    switch (slot.kind) {
      case Slot::Kind::kIn:
        return ArenaRange(state_.BufferOf(op.ins[slot.index]), bytes);
      case Slot::Kind::kOut:
        return ArenaRange(state_.BufferOf(op.outs[slot.index]), bytes);
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
  GpuCommands& out_;
};

}  // namespace

Status BindCommands(RunState& state, GpuKernels& kernels, Budget& budget, GpuCommands& out) {
  return Binder(state, kernels, budget, out).Bind();
}

}  // namespace tinyai
