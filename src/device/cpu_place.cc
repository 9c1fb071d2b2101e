#include <cstring>

#include "base/result.h"
#include "device/interpreter.h"
#include "device/run_state.h"
#include "os/clock.h"

namespace tinyai {
namespace {

class CpuPlace {
 public:
  CpuPlace(RunState& state, PlaceId place)
      : state_(state),
        program_(state.program),
        id_(place),
        place_(*state.places[Index(place)]),
        interpreter_(program_.program) {
    interpreter_.StopOn(&state.stopped);
    interpreter_.GiveTo([this](const Eval& eval, const std::byte* value) {
      Give(OutputName(program_.program, eval), eval.code.back().type, value);
    });
  }

  Status Run() {
    const std::vector<NetCommand>& commands = program_.plan.queues[Index(id_)];
    for (uint32_t i = 0; i < commands.size(); ++i) {
      const int64_t waiting_ns = state_.options.record ? MonotonicNs() : 0;
      const NetOp& op = program_.net.op(commands[i].op);
      for (const NetFence& made : place_.conditions[i]) {
        TRY_ASSIGN(const bool reached, state_.Wait(made.place, made.command + 1));
        if (!reached) return {};
      }
      const bool taken = state_.Taken(op);
      if (taken) {
        TRY_ASSIGN(const bool goes_on, PassSyncs(commands[i]));
        if (!goes_on) return {};
      }
      if (state_.options.delay) state_.options.delay(id_, i, state_);
      const int64_t begin_ns = state_.options.record ? MonotonicNs() : 0;
      if (state_.watch != nullptr) {
        state_.watch->Begin(id_, i, taken,
                            taken ? state_.Unread(commands[i].op) : std::optional<size_t>());
      }
      if (taken) TRY(Do(commands[i].op));
      if (state_.watch != nullptr) state_.watch->End(id_, i);
      if (state_.options.record) Record(i, taken, waiting_ns, begin_ns);
      place_.ended.Advance(i + 1);
      if (place_.gpu_waits && place_.fenced[i]) TRY(place_.gpu_ended.Signal(i + 1));
    }
    return {};
  }

  bool TakeTrap() { return interpreter_.TakeTrap(); }

 private:
  Result<bool> PassSyncs(const NetCommand& command) {
    for (const NetSync& sync : command.syncs) {
      if (sync.distance > 0) continue;  // of an iteration before the first
      const NetFence& fence = program_.plan.fences[sync.fence];
      TRY_ASSIGN(const bool reached, state_.Wait(fence.place, fence.command + 1));
      if (!reached) return false;
      if (state_.watch != nullptr) state_.watch->Sync(id_, sync);
    }
    return !state_.stopped;
  }

  Status Do(NetOpId id) {
    const NetOp& op = program_.net.op(id);
    const NetWork& work = program_.work[Index(id)];
    if (const auto* evaluate = std::get_if<work::Evaluate>(&work)) return Evaluate(op, *evaluate);
    if (const auto* print = std::get_if<work::Print>(&work)) {
      for (size_t i = 0; i < print->defs.size(); ++i) {
        const Def& def = program_.program.def(print->defs[i]);
        Give(OutputName(def), def.type, At(op.ins[i]));
      }
    } else if (const auto* move = std::get_if<work::Move>(&work)) {
      std::memmove(At(op.outs[0]), At(op.ins[0]), ByteSize(program_.program.def(move->def).type));
    }
    return {};
  }

  Status Evaluate(const NetOp& op, const work::Evaluate& evaluate) {
    const Eval& eval = program_.program.eval(evaluate.eval);
    std::vector<const std::byte*> ins;
    for (size_t i = 0; i < eval.ins.size(); ++i) ins.push_back(At(op.ins[i]));
    std::vector<std::byte*> outs;
    for (size_t i = 0; i < eval.outs.size(); ++i) outs.push_back(At(op.outs[i]));
    std::vector<std::byte> given;
    if (eval.kind == Eval::Kind::kOutput) {
      given.resize(ByteSize(eval.code.back().type));
      outs.assign(1, given.data());
    }
    TRY(interpreter_.Compute(evaluate.eval, evaluate.chosen, ins, outs, &state_.input));
    if (eval.kind == Eval::Kind::kOutput) {
      Give(OutputName(program_.program, eval), eval.code.back().type, given.data());
    }
    return {};
  }

  void Give(std::string name, const ProgramType& type, const std::byte* value) {
    const std::lock_guard lock(state_.mutex);
    state_.run.outputs.push_back(
        {std::move(name), type, std::vector<std::byte>(value, value + ByteSize(type))});
  }

  std::byte* At(NetValueId value) const { return state_.At(state_.BufferOf(value)); }

  void Record(uint32_t command, bool taken, int64_t waiting_ns, int64_t begin_ns) {
    state_.run.records[Index(id_)].push_back(
        {command, taken, begin_ns, MonotonicNs(),
         static_cast<uint32_t>((begin_ns - waiting_ns) / 1000)});
  }

  RunState& state_;
  const CompiledProgram& program_;
  const PlaceId id_;
  RunPlace& place_;
  Interpreter interpreter_;
};

}  // namespace

void RunOnCpu(RunState& state, PlaceId id) {
  CpuPlace place(state, id);
  if (Status status = place.Run(); !status) state.Fail(std::move(status).error());
  if (place.TakeTrap()) {
    const std::lock_guard lock(state.mutex);
    state.run.trapped = true;
  }
}

}  // namespace tinyai
