#include "device/gpu_places.h"

#include <algorithm>

#include "fmt/format.h"
#include "os/clock.h"

namespace tinyai {
namespace {

// All commands of places on the GPU, each after what it waits for, directly or by way of others.
std::vector<NetFence> SubmitOrder(const RunState& state) {
  const NetPlan& plan = state.program.plan;
  std::vector<uint32_t> next(plan.queues.size());
  std::vector<NetFence> order;
  const auto ready = [&](const NetCommand& command) {
    return std::all_of(command.syncs.begin(), command.syncs.end(), [&](const NetSync& sync) {
      const NetFence& fence = plan.fences[sync.fence];
      return sync.distance > 0 || next[Index(fence.place)] > fence.command;
    });
  };
  for (bool moved = true; moved;) {
    moved = false;
    for (uint32_t place = 0; place < plan.queues.size(); ++place) {
      const std::vector<NetCommand>& queue = plan.queues[place];
      while (next[place] < queue.size() && ready(queue[next[place]])) {
        if (state.places[place]->on_gpu) order.push_back({PlaceId(place), next[place]});
        ++next[place];
        moved = true;
      }
    }
  }
  return order;
}

}  // namespace

Result<std::unique_ptr<GpuPlaces>> GpuPlaces::Make(RunState& state, Budget& budget) {
  std::unique_ptr<GpuPlaces> places(new GpuPlaces(state));
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
  order_ = SubmitOrder(state_);
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
    const uint64_t all = state_.program.plan.queues[i].size() + 1;
    if (const Result<uint64_t> value = place.gpu_ended.value(); value && *value < all) {
      static_cast<void>(place.gpu_ended.Signal(all));
    }
  }
  static_cast<void>(kernels_.device().WaitIdle());
}

Status GpuPlaces::Run() {
  for (const NetFence& at : order_) {
    if (state_.stopped) return {};
    TRY(Submit(at));
  }
  for (uint32_t place = 0; place < lanes_.size(); ++place) {
    if (lanes_[place] == nullptr) continue;
    TRY(Flush(PlaceId(place)));
    TRY(AwaitEnd(PlaceId(place), state_.program.plan.queues[place].size()));
  }
  return {};
}

bool GpuPlaces::TakeTrap() const {
  for (uint64_t i = 0; i < commands_.trap_count; ++i) {
    if (commands_.traps.data()[i * commands_.trap_stride] != std::byte{0}) return true;
  }
  return false;
}

Status GpuPlaces::Submit(NetFence at) {
  Lane& lane = *lanes_[Index(at.place)];
  RunPlace& place = *state_.places[Index(at.place)];
  const NetCommand& command = state_.program.plan.queues[Index(at.place)][at.command];
  const int64_t begin_ns = state_.options.record ? MonotonicNs() : 0;
  TRY_ASSIGN(const bool taken, IsTaken(state_.program.net.op(command.op)));
  if (state_.stopped) return {};
  if (taken) {
    if (!command.syncs.empty()) TRY(Flush(at.place));
    for (const NetSync& sync : command.syncs) {
      if (sync.distance > 0) continue;
      const NetFence& fence = state_.program.plan.fences[sync.fence];
      lane.waits.push_back({&state_.places[Index(fence.place)]->gpu_ended, fence.command + 1});
      if (state_.options.record || state_.watch != nullptr) {
        TRY_ASSIGN(const bool reached, state_.Wait(fence.place, fence.command + 1));
        if (!reached) return {};
        if (state_.watch != nullptr) state_.watch->Sync(at.place, sync);
      }
    }
    TRY(Open(lane));
    Add(lane, commands_.work[Index(at.place)][at.command]);
  }
  if (state_.watch != nullptr) {
    state_.watch->Begin(at.place, at.command, taken);
    state_.watch->End(at.place, at.command);
  }
  TRY(Open(lane));
  lane.last = at.command + 1;
  const bool last = lane.last == state_.program.plan.queues[Index(at.place)].size();
  if (place.fenced[at.command] || last || state_.options.record) TRY(Flush(at.place));
  if (state_.options.record) TRY(RecordOne(at, begin_ns, taken));
  return {};
}

// Timings are taken one command at a time: the next is given when this one has ended.
Status GpuPlaces::RecordOne(NetFence at, int64_t begin_ns, bool taken) {
  const int64_t started_ns = MonotonicNs();
  TRY(AwaitEnd(at.place, at.command + 1));
  state_.run.records[Index(at.place)].push_back(
      {at.command, taken, started_ns, MonotonicNs(),
       static_cast<uint32_t>((started_ns - begin_ns) / 1000)});
  return {};
}

// The CPU decides, as soon as the conditions are there.
Result<bool> GpuPlaces::IsTaken(const NetOp& op) {
  std::vector<NetFence> makers;
  for (RegionId region = op.region; region != RegionId{};
       region = state_.program.net.regions[Index(region)].parent) {
    const std::optional<NetValueId> condition = state_.program.net.regions[Index(region)].condition;
    if (condition && state_.made[Index(*condition)]) {
      makers.insert(makers.begin(), *state_.made[Index(*condition)]);
    }
  }
  for (const NetFence& maker : makers) {
    if (lanes_[Index(maker.place)] != nullptr) TRY(Flush(maker.place));
    TRY_ASSIGN(const bool reached, state_.Wait(maker.place, maker.command + 1));
    if (!reached) return false;
  }
  return state_.Taken(op);
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
  lane.open.BeforeHost();
  TRY(lane.open.End());
  const GpuPoint ended{&state_.places[Index(place)]->gpu_ended, lane.last};
  const std::span<const GpuPoint> signals(&ended, 1);
  TRY(kernels_.device().Submit(lane.queue, lane.open, lane.waits, signals));
  lane.waits.clear();
  lane.running.push_back({std::move(lane.open), lane.last});
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
  if (value == 0) return {};
  const RunPlace& place = *state_.places[Index(id)];
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
  while (!state_.stopped) {
    TRY_ASSIGN(const bool reached, place.gpu_ended.WaitFor(value, std::chrono::milliseconds(20)));
    if (reached) return {};
    if (const uint64_t now = progress(); now != before) {
      before = now;
      since_ns = MonotonicNs();
    }
    if (MonotonicNs() - since_ns <= PatienceNs()) continue;
    kernels_.device().GiveUp();
    TRY_ASSIGN(const uint64_t ended, place.gpu_ended.value());
    const auto& queue = state_.program.plan.queues[Index(id)];
    return Fail(
        ErrorCode::kOther, "DEVICE_TIMEOUT",
        fmt::format("{} has not ended command {} of {} ('{}') in time",
                    kernels_.device().info().name, ended, state_.program.net.place(id).name,
                    state_.program.net.op(queue[std::min(ended, queue.size() - 1)].op).name));
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
    std::vector<bool>& barriers = state_.run.barriers;
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
