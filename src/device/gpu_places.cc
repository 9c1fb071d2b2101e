#include "device/gpu_places.h"

#include <algorithm>
#include <cstring>

#include "device/submit_order.h"
#include "fmt/format.h"
#include "os/clock.h"

namespace tinyai {
namespace {

bool AnyOnGpu(const RunState& state) {
  for (size_t i = 0; i < state.places.size(); ++i) {
    if (state.places[i]->on_gpu && !state.program.plan.queues[i].empty()) return true;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<GpuPlaces>> GpuPlaces::Make(RunState& state, Budget& budget) {
  std::unique_ptr<GpuPlaces> places(new GpuPlaces(state, nullptr));
  TRY(places->Prepare(budget));
  return places;
}

Status GpuPlaces::Prepare(Budget& budget) {
  GpuDevice& device = kernels_.device();
  uint32_t count = 0;
  for (const auto& place : state_.places) {
    lanes_.push_back(place->on_gpu ? std::make_unique<Lane>() : nullptr);
    if (place->on_gpu) lanes_.back()->queue = count++ % device.queues();
    if (place->on_gpu || place->gpu_waits) {
      TRY_ASSIGN(place->gpu_ended, device.MakeTimeline());
    }
  }
  TRY(BindCommands(state_, kernels_, budget, commands_));
  order_ = FindSubmitOrder(state_);
  for (const auto& loop : state_.loops) {
    loops_.emplace_back();
    if (!AnyOnGpu(*loop)) continue;
    loops_.back().reset(new GpuPlaces(*loop, this));
    TRY(loops_.back()->Prepare(budget));
  }
  return {};
}

// Whatever happened, the device has to be idle before its memory goes: what it still waits for is
// signalled, that of a device that was given up by its own places too. All other threads have
// ended.
GpuPlaces::~GpuPlaces() {
  const bool lost = kernels_.device().lost();
  for (size_t i = 0; i < state_.places.size(); ++i) {
    RunPlace& place = *state_.places[i];
    if (place.on_gpu ? !lost : !place.gpu_waits) continue;
    const uint64_t all = state_.CountAt(PlaceId(i), turns_ + 2, 0);
    if (const Result<uint64_t> value = place.gpu_ended.value(); value && *value < all) {
      static_cast<void>(place.gpu_ended.Signal(all));
    }
  }
  static_cast<void>(kernels_.device().WaitIdle());
}

Status GpuPlaces::Run() { return Turn(1); }

Status GpuPlaces::Loop(const RunState& around, const NetOp& op) {
  const ProgramLoop& loop = state_.program.program.loops[state_.program.body->loop];
  const LoopBounds bounds =
      ReadBounds(around, op, loop, [&](DefId def) { return around_->IndexOf(def); });
  last_count_ = 1;
  for (uint64_t done = 0;;) {
    first_ = static_cast<int64_t>(static_cast<uint64_t>(bounds.first) + done);
    uint64_t count = 1;
    if (loop.index) {
      if (done == bounds.iterations) return {};
      count = std::min(state_.program.body->window, bounds.iterations - done);
    }
    looked_ = false;
    TRY(WriteCounts(count));
    TRY(Turn(count));
    if (state_.shared.stopped || (!loop.index && !goes_on_)) return {};
    if (!loop.index) TRY(CheckTrips(loop, done));
    last_count_ = count;
    done += count;
  }
}

std::optional<int64_t> GpuPlaces::IndexOf(DefId def) const {
  for (const GpuPlaces* at = this; at != nullptr && at->state_.program.body; at = at->around_) {
    if (at->state_.program.program.loops[at->state_.program.body->loop].index == def) {
      return at->first_;
    }
  }
  return std::nullopt;
}

Status GpuPlaces::WriteCounts(uint64_t count) {
  for (uint32_t place = 0; place < commands_.counts.size(); ++place) {
    const GpuArena& arena = commands_.counts[place];
    if (arena.size() == 0) continue;
    TRY(AwaitEnd(PlaceId(place), turns_ * state_.program.plan.queues[place].size()));
    uint64_t slot = 0;
    const auto write = [&](int64_t value) {  // the lower half comes first
      std::memcpy(arena.data() + slot++ * commands_.count_stride, &value, sizeof(value));
    };
    std::vector<int64_t> outer;
    for (const GpuPlaces* at = around_; at != nullptr && at->state_.program.body;
         at = at->around_) {
      outer.insert(outer.begin(), at->first_);
    }
    for (const int64_t value : outer) write(value);
    for (uint64_t i = 0; i < count; ++i) {
      write(static_cast<int64_t>(static_cast<uint64_t>(first_) + i));
    }
  }
  return {};
}

Status GpuPlaces::Turn(uint64_t count) {
  for (size_t i = 0; i < order_.size();) {
    if (state_.shared.stopped) return {};
    const NetFence at = order_[i];
    const std::vector<NetCommand>& queue = state_.program.plan.queues[Index(at.place)];
    const RunPlace& place = *state_.places[Index(at.place)];
    uint32_t end = at.command + 1;
    while (end < queue.size() && count > 1 && queue[end].syncs.empty() && !place.fenced[end - 1]) {
      ++end;
    }
    TRY(Submit(at.place, at.command, end, count));
    i += end - at.command;
  }
  for (uint32_t place = 0; place < lanes_.size(); ++place) {
    if (lanes_[place] == nullptr) continue;
    TRY(Flush(PlaceId(place)));
    // Of a body the next turn waits by itself where it has to; not too many are given at once.
    constexpr size_t kMostRunning = 32;
    const Lane& lane = *lanes_[place];
    if (!state_.program.body) {
      TRY(AwaitEnd(PlaceId(place), state_.program.plan.queues[place].size()));
    } else if (lane.running.size() > kMostRunning) {
      TRY(AwaitEnd(PlaceId(place), lane.running[lane.running.size() - kMostRunning].value));
    }
  }
  ++turns_;
  return {};
}

bool GpuPlaces::TakeTrap() const {
  for (uint64_t i = 0; i < commands_.trap_count; ++i) {
    if (commands_.traps.data()[i * commands_.trap_stride] != std::byte{0}) return true;
  }
  return std::any_of(loops_.begin(), loops_.end(),
                     [](const auto& loop) { return loop != nullptr && loop->TakeTrap(); });
}

Status GpuPlaces::WaitForSyncs(PlaceId place, const NetCommand& command) {
  Lane& lane = *lanes_[Index(place)];
  const bool loop = std::holds_alternative<work::Loop>(state_.program.work[Index(command.op)]);
  if (!command.syncs.empty()) TRY(Flush(place));
  for (const NetSync& sync : command.syncs) {
    if (sync.distance > turns_) continue;
    const NetFence& fence = state_.program.plan.fences[sync.fence];
    const uint64_t count = state_.CountAt(fence.place, turns_ - sync.distance, fence.command);
    lane.waits.push_back({&state_.places[Index(fence.place)]->gpu_ended, count});
    if (!loop && !state_.options.record && state_.watch == nullptr) continue;
    if (lanes_[Index(fence.place)] != nullptr) TRY(Flush(fence.place));
    TRY_ASSIGN(const bool reached, state_.Wait(fence.place, count));
    if (!reached) return {};
    if (state_.watch != nullptr) state_.watch->Sync(place, sync, turns_);
  }
  return {};
}

Status GpuPlaces::Submit(PlaceId id, uint32_t begin, uint32_t end, uint64_t count) {
  Lane& lane = *lanes_[Index(id)];
  RunPlace& place = *state_.places[Index(id)];
  const std::vector<NetCommand>& queue = state_.program.plan.queues[Index(id)];
  const int64_t begin_ns = state_.options.record ? MonotonicNs() : 0;
  const bool one = !state_.program.body || state_.program.body->window == 1;
  bool taken = true;
  if (one) {
    TRY_ASSIGN(taken, IsTaken(queue[begin].op, 0));
  }
  if (state_.shared.stopped) return {};
  // Syncs outside of arms are passed in the last turn of a `while` too.
  const bool always = !one || state_.program.net.op(queue[begin].op).region == RegionId{};
  if (taken || always) TRY(WaitForSyncs(id, queue[begin]));
  for (uint64_t iteration = 0; iteration < count && taken; ++iteration) {
    for (uint32_t at = begin; at < end; ++at) {
      bool done = true;
      if (!one) {
        TRY_ASSIGN(done, IsTaken(queue[at].op, iteration));
      }
      if (state_.shared.stopped) return {};
      if (done) TRY(Record(id, queue[at].op, at, iteration));
    }
  }
  for (uint32_t at = begin; at < end && state_.watch != nullptr; ++at) {
    state_.watch->Begin(id, at, taken, {}, turns_);
    state_.watch->End(id, at, turns_);
  }
  TRY(Open(lane));
  lane.last = state_.CountAt(id, turns_, end - 1);
  const bool last = end == queue.size();
  if (place.fenced[end - 1] || last || state_.options.record) TRY(Flush(id));
  if (state_.options.record && !state_.program.body) TRY(RecordOne({id, begin}, begin_ns, taken));
  return {};
}

Status GpuPlaces::Record(PlaceId place, NetOpId id, uint32_t command, uint64_t iteration) {
  Lane& lane = *lanes_[Index(place)];
  const NetOp& op = state_.program.net.op(id);
  const NetWork& work = state_.program.work[Index(id)];
  if (const auto* loop = std::get_if<work::Loop>(&work)) return RunLoop(loop->body, op);
  TRY(Open(lane));
  if (const auto* carry = std::get_if<work::Carry>(&work)) {
    if (carry->step == work::Carry::Step::kOpen && iteration > 0) return {};  // once in a turn
    GpuWork copy;
    copy.copy = CopyOf(place, op, *carry, iteration);
    Add(lane, copy);
    return {};
  }
  Add(lane, commands_.work[Index(place)][command][iteration]);
  return {};
}

// The first of a loop's places carries out what all of them have on the GPU; nothing of theirs runs
// meanwhile around it.
Status GpuPlaces::RunLoop(uint32_t body, const NetOp& op) {
  for (size_t i = 0; i < state_.program.net.ops.size(); ++i) {
    const NetOp& first = state_.program.net.ops[i];
    const PlaceId place = state_.program.details.place_of[i];
    if (first.gang != op.gang || lanes_[Index(place)] == nullptr) continue;
    if (&first != &op) return {};
    break;
  }
  for (uint32_t place = 0; place < lanes_.size(); ++place) {
    if (lanes_[place] == nullptr) continue;
    TRY(Flush(PlaceId(place)));
    TRY(AwaitEnd(PlaceId(place), lanes_[place]->last));
  }
  GpuPlaces& inner = *loops_[body];
  TRY(inner.Loop(state_, op));
  for (uint32_t place = 0; place < inner.lanes_.size(); ++place) {
    if (inner.lanes_[place] == nullptr) continue;
    TRY(inner.Flush(PlaceId(place)));
    TRY(inner.AwaitEnd(PlaceId(place), inner.lanes_[place]->last));
  }
  return {};
}

std::optional<std::pair<GpuRange, GpuRange>> GpuPlaces::CopyOf(PlaceId place, const NetOp& op,
                                                               const work::Carry& carry,
                                                               uint64_t iteration) const {
  const auto range = [&](const NetBuffer& buffer, uint64_t bytes) {
    return GpuRange{&state_.shared.memories[Index(buffer.memory)].gpu, buffer.offset, bytes};
  };
  const uint64_t bytes = ByteSize(state_.program.program.def(carry.def).type);
  const GpuRange to = range(state_.Outcome(op.outs[0], iteration), bytes);
  if (bytes == 0) return std::nullopt;
  if (IndexOf(carry.from)) {
    const GpuArena& counts = commands_.counts[Index(place)];
    const std::vector<uint32_t>& around = state_.program.body->around;
    uint64_t slot = 0;
    while (slot < around.size() && state_.program.program.loops[around[slot]].index != carry.from) {
      ++slot;
    }
    if (slot == around.size()) slot += iteration;
    return std::pair(GpuRange{&counts, slot * commands_.count_stride, bytes}, to);
  }
  uint64_t slot = iteration;
  if (carry.step == work::Carry::Step::kOpen) slot = last_count_ - 1;
  if (carry.step == work::Carry::Step::kResult) slot = loops_[carry.body]->last_count_ - 1;
  const GpuRange from = range(state_.Operand(op.ins[0], slot), bytes);
  if (from.arena == to.arena && from.offset == to.offset) return std::nullopt;
  return std::pair(from, to);
}

// Timings are taken one command at a time: the next is given when this one has ended.
Status GpuPlaces::RecordOne(NetFence at, int64_t begin_ns, bool taken) {
  const int64_t started_ns = MonotonicNs();
  TRY(AwaitEnd(at.place, at.command + 1));
  state_.shared.run.records[Index(at.place)].push_back(
      {at.command, taken, started_ns, MonotonicNs(),
       static_cast<uint32_t>((started_ns - begin_ns) / 1000)});
  return {};
}

// The CPU decides, as soon as the conditions are there.
Result<bool> GpuPlaces::IsTaken(NetOpId id, uint64_t iteration) {
  const NetOp& op = state_.program.net.op(id);
  if (const std::optional<NetValueId> test = state_.program.TestOf(id)) {
    if (!looked_) {
      TRY_ASSIGN(const bool there, AwaitMade(*test));
      if (!there) return false;
      goes_on_ = state_.OperandAt(*test, 0)[0] != std::byte{0};
      looked_ = true;
    }
    if (!goes_on_) return false;
  }
  std::vector<NetValueId> conditions;  // from outside in
  for (RegionId region = op.region; region != RegionId{};
       region = state_.program.net.regions[Index(region)].parent) {
    const std::optional<NetValueId> condition = state_.program.net.regions[Index(region)].condition;
    if (condition) conditions.insert(conditions.begin(), *condition);
  }
  for (const NetValueId condition : conditions) {
    TRY_ASSIGN(const bool there, AwaitMade(condition));
    if (!there) return false;
  }
  return state_.Taken(op, iteration);
}

Result<bool> GpuPlaces::AwaitMade(NetValueId value) {
  const std::optional<NetFence>& maker = state_.made[Index(value)];
  if (!maker) return true;
  const uint64_t count = state_.CountAt(maker->place, turns_, maker->command);
  if (Lane* const lane = lanes_[Index(maker->place)].get()) {
    if (count > lane->last) return Drain(maker->place);
    // What was given after it waits by itself, and is given whole.
    if (count > lane->given) TRY(Flush(maker->place));
  }
  return state_.Wait(maker->place, count);
}

// In a turn of several iterations, what the place has done of the commands that it is at.
Result<bool> GpuPlaces::Drain(PlaceId place) {
  Lane& lane = *lanes_[Index(place)];
  if (!lane.is_open) return !state_.shared.stopped;
  if (lane.drains == 0) {
    TRY_ASSIGN(lane.drained, kernels_.device().MakeTimeline());
  }
  TRY(Flush(place, {&lane.drained, ++lane.drains}, 0));
  TRY(Await(place, lane.drained, lane.drains));
  return !state_.shared.stopped;
}

Status GpuPlaces::Open(Lane& lane) {
  if (lane.is_open) return {};
  if (!lane.running.empty()) {
    const PlaceId place = PlaceId(std::find_if(lanes_.begin(), lanes_.end(),
                                               [&](const auto& l) { return l.get() == &lane; }) -
                                  lanes_.begin());
    TRY_ASSIGN(const uint64_t ended, state_.places[Index(place)]->gpu_ended.value());
    if (ended >= lane.running.front().value) {
      lane.open = std::move(lane.running.front().batch);
      lane.running.pop_front();
      TRY(lane.open.Begin());
      lane.is_open = true;
    }
  }
  if (!lane.is_open) {
    TRY_ASSIGN(lane.open, kernels_.device().MakeBatch());
    TRY(lane.open.Begin());
    lane.is_open = true;
  }
  lane.hazards.BeginBatch();
  if (!lane.waits.empty()) lane.open.AfterHost();
  return {};
}

Status GpuPlaces::Flush(PlaceId place) {
  Lane& lane = *lanes_[Index(place)];
  if (!lane.is_open) return {};
  lane.given = lane.last;
  return Flush(place, {&state_.places[Index(place)]->gpu_ended, lane.last}, lane.last);
}
Status GpuPlaces::Flush(PlaceId place, GpuPoint ended, uint64_t value) {
  Lane& lane = *lanes_[Index(place)];
  lane.open.BeforeHost();
  TRY(lane.open.End());
  const std::span<const GpuPoint> signals(&ended, 1);
  TRY(kernels_.device().Submit(lane.queue, lane.open, lane.waits, signals));
  lane.waits.clear();
  lane.running.push_back({std::move(lane.open), value});
  lane.is_open = false;
  return {};
}

// One that computes on the CPU shares it with others.
int64_t GpuPlaces::PatienceNs() const {
  constexpr int64_t kSoftware = 5;
  const std::chrono::nanoseconds patience = state_.options.patience;
  const double predicted = state_.program.details.simulation.makespan;
  return patience.count() * (kernels_.device().info().software ? kSoftware : 1) +
         static_cast<int64_t>(predicted * 10e9);
}

Status GpuPlaces::AwaitEnd(PlaceId id, uint64_t value) {
  return Await(id, state_.places[Index(id)]->gpu_ended, value);
}
Status GpuPlaces::Await(PlaceId id, const GpuTimeline& timeline, uint64_t value) {
  if (value == 0) return {};
  // The clock starts again whenever anything has ended, there or at a place that it may wait for.
  const auto progress = [&] {
    uint64_t sum = 0;
    for (const auto& other : state_.places) {
      sum += other->on_gpu ? other->gpu_ended.value().value_or(0) : other->ended.value();
    }
    return sum;
  };
  uint64_t before = progress();
  int64_t since_ns = MonotonicNs();
  while (!state_.shared.stopped) {
    TRY_ASSIGN(const bool reached, timeline.WaitFor(value, std::chrono::milliseconds(20)));
    if (reached) return {};
    if (const uint64_t now = progress(); now != before) {
      before = now;
      since_ns = MonotonicNs();
    }
    if (MonotonicNs() - since_ns <= PatienceNs()) continue;
    kernels_.device().GiveUp();
    TRY_ASSIGN(const uint64_t ended, state_.places[Index(id)]->gpu_ended.value());
    const auto& queue = state_.program.plan.queues[Index(id)];
    return Fail(
        ErrorCode::kOther, "DEVICE_TIMEOUT",
        fmt::format(
            "{} has not ended command {} of {} ('{}') in time", kernels_.device().info().name,
            ended, state_.program.net.place(id).name,
            state_.program.net.op(queue[ended % std::max<size_t>(queue.size(), 1)].op).name));
  }
  return {};
}

void GpuPlaces::Add(Lane& lane, const GpuWork& work) {
  if (work.copy) {
    AddOne(lane, {{work.copy->first, false}, {work.copy->second, true}});
    lane.open.Copy(work.copy->first, work.copy->second);
  }
  for (const GpuWork::Dispatch& dispatch : work.dispatches) {
    AddOne(lane, dispatch.accesses);
    lane.open.Dispatch(dispatch.binding, {}, dispatch.groups);
  }
}

void GpuPlaces::AddOne(Lane& lane, const std::vector<GpuHazards::Access>& accesses) {
  const GpuHazards::Barrier needed = lane.hazards.Needs(accesses);
  if (needed != GpuHazards::Barrier::kNone) {
    std::vector<bool>& barriers = state_.shared.run.barriers;
    if (barriers.size() != state_.options.omitted_barrier) lane.open.Barrier();
    barriers.push_back(needed == GpuHazards::Barrier::kWithin);
    lane.hazards.Clear();
  }
  lane.hazards.Add(accesses);
}

void RunOnGpu(RunState& state, GpuPlaces& gpu) {
  if (Status status = gpu.Run(); !status) state.Fail(std::move(status).error());
}

}  // namespace tinyai
