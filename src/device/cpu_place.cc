#include <algorithm>
#include <array>
#include <cstring>
#include <deque>

#include "base/result.h"
#include "device/interpreter.h"
#include "device/run_state.h"
#include "os/clock.h"

namespace tinyai {
namespace {

// A place in a program, or in the body of a loop: `around` is then the same place around the loop.
class CpuPlace {
 public:
  CpuPlace(RunState& state, PlaceId place, const CpuPlace* around)
      : state_(state),
        program_(state.program),
        id_(place),
        place_(*state.places[Index(place)]),
        around_(around),
        commands_(program_.plan.queues[Index(place)]),
        interpreter_(program_.program, program_.devices.places[Index(place)],
                     state.options.kernels) {
    interpreter_.StopOn(&state.shared.stopped);
    interpreter_.GiveTo([this](const Eval& eval, const std::byte* value) {
      Give(OutputName(program_.program, eval), eval.code.back().type, value);
    });
    for (const auto& loop : state.loops) {
      inner_.push_back(std::make_unique<CpuPlace>(*loop, place, this));
    }
  }

  Status Run() {
    TRY(Turn(1));
    return {};
  }

  bool TakeTrap() {
    bool trap = interpreter_.TakeTrap();
    for (const auto& inner : inner_) trap = inner->TakeTrap() || trap;
    return trap;
  }

 private:
  // --- loops ---

  // All turns of a body. `op`: the one around the loop.
  Status Loop(const RunState& around, const NetOp& op) {
    const ProgramLoop& loop = program_.program.loops[program_.body->loop];
    const LoopBounds bounds =
        ReadBounds(around, op, loop, [&](DefId def) { return around_->IndexOf(def); });
    place_.last_count = 1;
    goes_on_ = true;
    for (uint64_t done = 0;;) {
      first_ = static_cast<int64_t>(static_cast<uint64_t>(bounds.first) + done);
      uint64_t count = 1;
      if (loop.index) {
        if (done == bounds.iterations) return {};
        count = std::min(program_.body->window, bounds.iterations - done);
      }
      if (state_.shared.stopped) return {};
      TRY_ASSIGN(const bool ended, Turn(count));
      if (!ended || (!loop.index && !goes_on_)) return {};
      if (!loop.index) TRY(CheckTrips(loop, done));
      place_.last_count = count;
      done += count;
    }
  }

  // The commands in order; between syncs and fences all of them for one iteration after the other.
  // False if the run was stopped.
  Result<bool> Turn(uint64_t count) {
    looked_ = false;
    for (uint32_t begin = 0; begin < commands_.size();) {
      uint32_t end = begin + 1;
      while (end < commands_.size() && count > 1 && commands_[end].syncs.empty() &&
             !place_.fenced[end - 1]) {
        ++end;
      }
      TRY_ASSIGN(const bool goes_on, Stretch(begin, end, count));
      if (!goes_on) return false;
      begin = end;
    }
    ++place_.turns;
    return true;
  }
  Result<bool> Stretch(uint32_t begin, uint32_t end, uint64_t count) {
    const int64_t waiting_ns = state_.options.record ? MonotonicNs() : 0;
    const NetCommand& first = commands_[begin];
    const bool one = program_.body == std::nullopt || program_.body->window == 1;
    // Syncs outside of arms are passed in the last turn of a `while` too.
    const bool always = !one || program_.net.op(first.op).region == RegionId{};
    bool taken = true;
    if (always) {
      TRY_ASSIGN(const bool goes_on, PassSyncs(first));
      if (!goes_on) return false;
    }
    if (one) {
      TRY_ASSIGN(const bool seen, Look(first));
      if (!seen) return false;
      TRY_ASSIGN(taken, IsTaken(begin));
    }
    if (taken && !always) {
      TRY_ASSIGN(const bool goes_on, PassSyncs(first));
      if (!goes_on) return false;
    }
    if (state_.shared.stopped) return false;
    for (uint32_t i = begin; i < end; ++i) {
      if (state_.options.delay) state_.options.delay(id_, i, state_);
    }
    const int64_t begin_ns = state_.options.record ? MonotonicNs() : 0;
    for (uint32_t i = begin; i < end && state_.watch != nullptr; ++i) {
      const bool sure = one && taken;
      state_.watch->Begin(id_, i, taken || always,
                          sure ? state_.Unread(commands_[i].op) : std::optional<size_t>(),
                          place_.turns);
      if (i + 1 < end) state_.watch->End(id_, i, place_.turns);
    }
    for (iteration_ = 0; iteration_ < count; ++iteration_) {
      for (uint32_t i = begin; i < end; ++i) TRY(DoIfTaken(i, one ? taken : std::optional<bool>()));
    }
    iteration_ = 0;
    if (state_.watch != nullptr) state_.watch->End(id_, end - 1, place_.turns);
    if (state_.options.record && !program_.body) Record(begin, taken, waiting_ns, begin_ns);
    place_.ended.Advance(state_.CountAt(id_, place_.turns, end - 1));
    if (place_.gpu_waits && place_.fenced[end - 1]) {
      TRY(place_.gpu_ended.Signal(state_.CountAt(id_, place_.turns, end - 1)));
    }
    return true;
  }
  // Also where the run is stopped meanwhile.
  Result<bool> IsTaken(uint32_t command) {
    const NetOpId op = commands_[command].op;
    if (looked_ && !goes_on_ && program_.TestOf(op)) return false;
    for (const NetFence& made : place_.conditions[command]) {
      const uint64_t count = state_.CountAt(made.place, place_.turns, made.command);
      TRY_ASSIGN(const bool reached, state_.Wait(made.place, count));
      if (!reached) return false;
    }
    return state_.Taken(program_.net.op(op));
  }
  Status DoIfTaken(uint32_t command, std::optional<bool> taken) {
    const NetOpId op = commands_[command].op;
    if (!taken.value_or(true)) return {};
    if (!taken && !state_.Taken(program_.net.op(op), iteration_)) return {};
    return Do(op);
  }

  // Of a `while`: the first command that asks whether it goes on sees that for the whole turn.
  // False if the run was stopped.
  Result<bool> Look(const NetCommand& command) {
    const std::optional<NetValueId> test = program_.TestOf(command.op);
    if (looked_ || !test) return true;
    if (const auto& made = state_.made[Index(*test)]) {
      TRY_ASSIGN(
          const bool reached,
          state_.Wait(made->place, state_.CountAt(made->place, place_.turns, made->command)));
      if (!reached) return false;
    }
    goes_on_ = state_.OperandAt(*test, 0)[0] != std::byte{0};
    looked_ = true;
    return true;
  }

  Result<bool> PassSyncs(const NetCommand& command) {
    for (const NetSync& sync : command.syncs) {
      if (sync.distance > place_.turns) continue;  // of an iteration before the first
      const NetFence& fence = program_.plan.fences[sync.fence];
      TRY_ASSIGN(const bool reached,
                 state_.Wait(fence.place, state_.CountAt(fence.place, place_.turns - sync.distance,
                                                         fence.command)));
      if (!reached) return false;
      if (state_.watch != nullptr) state_.watch->Sync(id_, sync, place_.turns);
    }
    return !state_.shared.stopped;
  }

  // --- one command, in one iteration ---

  Status Do(NetOpId id) {
    counts_.clear();
    const NetOp& op = program_.net.op(id);
    const NetWork& work = program_.work[Index(id)];
    if (const auto* evaluate = std::get_if<work::Evaluate>(&work)) return Evaluate(op, *evaluate);
    if (const auto* loop = std::get_if<work::Loop>(&work)) {
      return inner_[loop->body]->Loop(state_, op);
    }
    if (const auto* print = std::get_if<work::Print>(&work)) {
      size_t next = 0;
      for (const DefId def : print->defs) {
        const Def& printed = program_.program.def(def);
        const std::byte* const count = CountOf(def);
        Give(OutputName(printed), printed.type, count != nullptr ? count : In(op, next++));
      }
    } else if (const auto* move = std::get_if<work::Move>(&work)) {
      std::memmove(Out(op.outs[0]), In(op, 0), ByteSize(program_.program.def(move->def).type));
    } else if (const auto* carry = std::get_if<work::Carry>(&work)) {
      if (carry->step == work::Carry::Step::kOpen && iteration_ > 0) return {};  // once in a turn
      std::memmove(Out(op.outs[0]), Source(op, *carry),
                   ByteSize(program_.program.def(carry->def).type));
    }
    return {};
  }
  const std::byte* Source(const NetOp& op, const work::Carry& carry) {
    if (const std::byte* const count = CountOf(carry.from)) return count;
    uint64_t slot = iteration_;
    if (carry.step == work::Carry::Step::kOpen) slot = place_.last_count - 1;
    if (carry.step == work::Carry::Step::kResult) {
      slot = inner_[carry.body]->place_.last_count - 1;
    }
    return state_.OperandAt(op.ins[0], slot);
  }

  Status Evaluate(const NetOp& op, const work::Evaluate& evaluate) {
    const Eval& eval = program_.program.eval(evaluate.eval);
    std::vector<const std::byte*> ins;
    size_t next = 0;
    for (const DefId def : eval.ins) {
      const std::byte* const count = CountOf(def);
      ins.push_back(count != nullptr ? count : In(op, next++));
    }
    std::vector<std::byte*> outs;
    for (size_t i = 0; i < eval.outs.size(); ++i) outs.push_back(Out(op.outs[i]));
    std::vector<std::byte> given;
    if (eval.kind == Eval::Kind::kOutput) {
      given.resize(ByteSize(eval.code.back().type));
      outs.assign(1, given.data());
    }
    TRY(interpreter_.Compute(evaluate.eval, ins, outs, &state_.shared.input));
    if (eval.kind == Eval::Kind::kOutput) {
      Give(OutputName(program_.program, eval), eval.code.back().type, given.data());
    }
    return {};
  }

  // The index of a loop that this place goes round in, if the def is that of one.
  std::optional<int64_t> IndexOf(DefId def) const {
    for (const CpuPlace* place = this; place != nullptr; place = place->around_) {
      if (!place->program_.body) continue;
      const ProgramLoop& loop = place->program_.program.loops[place->program_.body->loop];
      if (loop.index != def) continue;
      return static_cast<int64_t>(static_cast<uint64_t>(place->first_) + place->iteration_);
    }
    return std::nullopt;
  }
  // The same as bytes, which stay until the next command; null if it is none.
  const std::byte* CountOf(DefId def) {
    const std::optional<int64_t> index = IndexOf(def);
    if (!index) return nullptr;
    std::array<std::byte, 8>& bytes = counts_.emplace_back();
    std::memcpy(bytes.data(), &*index, sizeof(*index));  // of an i32 the lower half, which is first
    return bytes.data();
  }
  const std::byte* In(const NetOp& op, size_t i) const {
    return state_.OperandAt(op.ins[i], iteration_);
  }
  std::byte* Out(NetValueId value) const { return state_.At(state_.Outcome(value, iteration_)); }

  void Give(std::string name, const ProgramType& type, const std::byte* value) {
    const std::lock_guard lock(state_.shared.mutex);
    state_.shared.run.outputs.push_back(
        {std::move(name), type, std::vector<std::byte>(value, value + ByteSize(type))});
  }

  void Record(uint32_t command, bool taken, int64_t waiting_ns, int64_t begin_ns) {
    state_.shared.run.records[Index(id_)].push_back(
        {command, taken, begin_ns, MonotonicNs(),
         static_cast<uint32_t>((begin_ns - waiting_ns) / 1000)});
  }

  RunState& state_;
  const CompiledProgram& program_;
  const PlaceId id_;
  RunPlace& place_;
  const CpuPlace* const around_;
  const std::vector<NetCommand>& commands_;
  Interpreter interpreter_;
  std::vector<std::unique_ptr<CpuPlace>> inner_;  // by body
  int64_t first_ = 0;                             // index of the turn's first iteration
  uint64_t iteration_ = 0;                        // of the turn
  std::deque<std::array<std::byte, 8>> counts_;   // read by the command
  bool looked_ = false, goes_on_ = true;
};

}  // namespace

void RunOnCpu(RunState& state, PlaceId id) {
  CpuPlace place(state, id, nullptr);
  if (Status status = place.Run(); !status) state.Fail(std::move(status).error());
  if (place.TakeTrap()) {
    const std::lock_guard lock(state.shared.mutex);
    state.shared.run.trapped = true;
  }
}

}  // namespace tinyai
