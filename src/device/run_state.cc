#include "device/run_state.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fmt/format.h"
#include "program/program_net.h"

namespace tinyai {
namespace {

// How often a wait for a GPU looks whether the run was stopped.
constexpr std::chrono::milliseconds kLook(20);

// Whether region `outer` is `inner` or one around it.
bool Holds(const TaskNet& net, RegionId outer, RegionId inner) {
  for (;; inner = net.regions[Index(inner)].parent) {
    if (inner == outer) return true;
    if (inner == RegionId{}) return false;
  }
}

// Where the conditions of the arms around commands are made, as far as these commands' own syncs
// wait for that.
class BranchOrder {
 public:
  BranchOrder(const CompiledProgram& program, const std::vector<std::optional<NetFence>>& made)
      : net_(program.net), plan_(program.plan), made_(made) {}

  std::vector<NetFence> Waits(uint32_t place, uint32_t at) const {
    std::vector<NetFence> waits;
    const NetCommand& command = plan_.queues[place][at];
    if (command.syncs.empty()) return waits;  // all is known
    const RegionId own = net_.op(command.op).region;
    for (RegionId region = own; region != RegionId{}; region = net_.regions[Index(region)].parent) {
      const std::optional<NetValueId> condition = net_.regions[Index(region)].condition;
      if (!condition || !made_[Index(*condition)]) continue;
      const NetFence made = *made_[Index(*condition)];
      if (!IsThere(made, place, at, own)) waits.insert(waits.begin(), made);
    }
    return waits;
  }

 private:
  bool IsThere(const NetFence& made, uint32_t place, uint32_t at, RegionId own) const {
    if (Index(made.place) == place) return made.command < at;
    for (uint32_t before = 0; before < at; ++before) {
      const NetCommand& command = plan_.queues[place][before];
      if (!Holds(net_, net_.op(command.op).region, own)) continue;
      for (const NetSync& sync : command.syncs) {
        const NetFence& fence = plan_.fences[sync.fence];
        if (sync.distance == 0 && fence.place == made.place && fence.command >= made.command)
          return true;
      }
    }
    return false;
  }

  const TaskNet& net_;
  const NetPlan& plan_;
  const std::vector<std::optional<NetFence>>& made_;
};

}  // namespace

RunState::RunState(const CompiledProgram& compiled, RunShared& shared_with)
    : program(compiled), shared(shared_with), options(shared_with.options) {
  const NetPlan& plan = compiled.plan;
  for (size_t i = 0; i < plan.queues.size(); ++i) {
    places.push_back(std::make_unique<RunPlace>());
    places[i]->on_gpu =
        options.gpu != nullptr && compiled.devices.places[i].api == Devices::Api::kVulkan;
    places[i]->fenced.resize(plan.queues[i].size());
    places[i]->conditions.resize(plan.queues[i].size());
  }
  for (const NetFence& fence : plan.fences)
    places[Index(fence.place)]->fenced[fence.command] = true;
  for (size_t i = 0; i < plan.queues.size(); ++i) {
    if (!places[i]->on_gpu) continue;
    for (const NetCommand& command : plan.queues[i]) {
      for (const NetSync& sync : command.syncs) {
        places[Index(plan.fences[sync.fence].place)]->gpu_waits = true;
      }
    }
  }
  made.resize(compiled.net.values.size());
  for (uint32_t i = 0; i < plan.queues.size(); ++i) {
    for (uint32_t at = 0; at < plan.queues[i].size(); ++at) {
      for (const NetValueId out : compiled.net.op(plan.queues[i][at].op).outs) {
        made[Index(out)] = NetFence{PlaceId(i), at};
      }
    }
  }
  // Whoever decides on an arm waits for its condition itself, not for a fence behind it, if it is
  // not that of a turn of several iterations.
  for (const NetRegion& region : compiled.net.regions) {
    if (compiled.net.in_turns || !region.condition || !made[Index(*region.condition)]) continue;
    const NetFence& maker = *made[Index(*region.condition)];
    places[Index(maker.place)]->fenced[maker.command] = true;
  }
  if (compiled.net.regions.size() > 1) {
    const BranchOrder order(compiled, made);
    for (uint32_t i = 0; i < plan.queues.size(); ++i) {
      for (uint32_t at = 0; at < plan.queues[i].size(); ++at) {
        places[i]->conditions[at] = order.Waits(i, at);
      }
    }
  }
  if (options.watch) watch = std::make_unique<RaceWatch>(compiled.net, plan);
  for (const CompiledProgram& body : compiled.bodies) {
    loops.push_back(std::make_unique<RunState>(body, shared));
  }
}

NetBuffer RunState::Outcome(NetValueId id, uint64_t iteration) const {
  const NetValue& value = program.net.value(id);
  NetBuffer buffer = BufferOf(id);
  if (value.slots == 1) return buffer;
  buffer.bytes = value.bytes / value.slots;
  buffer.offset += iteration * buffer.bytes;
  return buffer;
}

NetBuffer RunState::Operand(NetValueId id, uint64_t iteration) const {
  if (iteration == 0 || !program.body) return Outcome(id, iteration);
  for (const LoopBody::Carried& one : program.body->carried) {
    if (one.now == id) return Outcome(one.next, iteration - 1);
  }
  return Outcome(id, iteration);
}

bool RunState::Taken(const NetOp& op, uint64_t iteration) const {
  // From outside in: the condition of an arm that is not taken is not there.
  const NetRegion& region = program.net.regions[Index(op.region)];
  if (op.region == RegionId{}) return true;
  NetOp around = {};
  around.region = region.parent;
  if (!Taken(around, iteration)) return false;
  if (!region.condition) return true;
  return (OperandAt(*region.condition, iteration)[0] != std::byte{0}) == region.arm;
}

std::optional<size_t> RunState::Unread(NetOpId id) const {
  const auto* const work = std::get_if<work::Evaluate>(&program.work[Index(id)]);
  if (work == nullptr) return std::nullopt;
  if (program.program.eval(work->eval).kind != Eval::Kind::kMerge) return std::nullopt;
  const bool first = At(BufferOf(program.net.op(id).ins[0]))[0] != std::byte{0};
  return first ? 2 : 1;
}

Result<bool> RunState::Wait(PlaceId id, uint64_t commands) const {
  const RunPlace& place = *places[Index(id)];
  for (;;) {
    if (shared.stopped) return false;
    if (place.on_gpu) {
      TRY_ASSIGN(const bool reached, place.gpu_ended.WaitFor(commands, kLook));
      if (reached) return true;
    } else if (place.ended.WaitFor(commands, kLook)) {
      return true;
    }
  }
}

bool RunState::WaitFor(PlaceId place, uint32_t commands, std::chrono::nanoseconds timeout) const {
  if (places[Index(place)]->on_gpu) return false;
  return places[Index(place)]->ended.WaitFor(commands, timeout);
}

void RunState::Fail(Error what) {
  {
    const std::lock_guard lock(shared.mutex);
    if (!shared.error) shared.error = std::move(what);
  }
  Stop();
}

void RunState::Stop() {
  shared.stopped = true;
  for (const auto& place : places) place->ended.Stop();
  for (const auto& loop : loops) loop->Stop();
}

LoopBounds ReadBounds(const RunState& around, const NetOp& op, const ProgramLoop& loop,
                      const std::function<std::optional<int64_t>(DefId)>& count_of) {
  if (!loop.index) return {};
  if (loop.trips) return {loop.first, *loop.trips};
  const auto number = [&](DefId def) {
    if (const auto constant = ConstantOf(around.program.program, def)) return *constant;
    if (const auto count = count_of(def)) return *count;
    const auto is_bound = [&](NetValueId in) { return around.program.def_of[Index(in)] == def; };
    const NetValueId value = *std::find_if(op.ins.begin(), op.ins.end(), is_bound);
    const std::byte* const at = around.OperandAt(value, 0);
    if (around.program.program.def(def).type.scalar == Scalar::kI64) {
      int64_t wide = 0;
      std::memcpy(&wide, at, sizeof(wide));
      return wide;
    }
    int32_t narrow = 0;
    std::memcpy(&narrow, at, sizeof(narrow));
    return int64_t{narrow};
  };
  const int64_t first = number(loop.begin), end = number(loop.end);
  if (end <= first) return {first, 0};
  return {first, static_cast<uint64_t>(end) - static_cast<uint64_t>(first)};
}

Status CheckTrips(const ProgramLoop& loop, uint64_t iterations) {
  if (loop.most_trips == 0 || iterations < loop.most_trips) return {};
  return Fail(ErrorCode::kOther, "PROGRAM_LOOP",
              fmt::format("loop '{}' goes on after {} iterations, which is its 'max'", loop.name,
                          loop.most_trips));
}

}  // namespace tinyai
