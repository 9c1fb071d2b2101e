#include "plan/simulate.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "plan/simulate_turns.h"

namespace tinyai {
namespace {

constexpr size_t kNone = ~size_t{0};

class Simulator {
 public:
  Simulator(const TaskNet& net, const NetPlan& plan, uint32_t most_iterations,
            const std::vector<bool>& carried)
      : net_(net),
        plan_(plan),
        iterations_(net.loops ? std::max(2u, most_iterations) : 1),
        next_(net.places.size(), 0),
        free_at_(net.places.size(), 0),
        costs_(net.ops.size()),
        first_fence_(net.ops.size(), kNone),
        next_fence_(plan.fences.size(), kNone),
        times_(plan.fences.size() * iterations_),
        passed_(plan.fences.size(), 0) {
    std::vector<PlaceId> place_of(net.ops.size());
    for (size_t place = 0; place < plan.queues.size(); ++place) {
      for (const NetCommand& command : plan.queues[place]) {
        place_of[Index(command.op)] = PlaceId(place);
      }
    }
    for (size_t i = 0; i < net.ops.size(); ++i) {
      const NetOp& op = net.ops[i];
      costs_[i] = {op.choice_at(place_of[i])->seconds, op.moved_bytes, op.once,
                   !carried.empty() && !carried[Index(op.region)]};
    }
    for (size_t i = 0; i < plan.fences.size(); ++i) {
      const NetFence& fence = plan.fences[i];
      const NetOpId op = plan.queues[Index(fence.place)][fence.command].op;
      next_fence_[i] = std::exchange(first_fence_[Index(op)], i);
    }
  }

  Simulation Run() {
    Simulation out;
    out.peaks.assign(net_.memories.size(), 0);
    MeasurePeaks(out);
    if (net_.places.empty()) return out;
    double previous_end = 0;
    std::vector<double> periods(free_at_.size(), 0);  // by place
    for (iteration_ = 0; iteration_ < iterations_; ++iteration_) {
      const std::vector<double> before = free_at_;
      StartIteration(out);
      FollowIteration(out);
      const double end = *std::max_element(free_at_.begin(), free_at_.end());
      bool settled = IsSame(end - previous_end, out.makespan);
      out.makespan = end - previous_end;
      previous_end = end;
      for (size_t place = 0; place < periods.size(); ++place) {
        const double period = free_at_[place] - before[place];
        settled = settled && IsSame(period, periods[place]);
        periods[place] = period;
      }
      if (settled && iteration_ > 1) break;
    }
    return out;
  }

  std::vector<std::vector<std::vector<SimulatedSpan>>> RunTurns(uint32_t turns) {
    std::vector<std::vector<std::vector<SimulatedSpan>>> spans;
    for (iteration_ = 0; iteration_ < std::min(turns, iterations_); ++iteration_) {
      Simulation one;
      StartIteration(one);
      FollowIteration(one);
      spans.push_back(std::move(one.spans));
    }
    return spans;
  }

 private:
  // Of an op at its place.
  struct Cost {
    double seconds = 0;
    uint64_t moved_bytes = 0;
    bool once = false;
    bool left_out = false;  // with its syncs
  };

  static bool IsSame(double a, double b) { return std::abs(a - b) <= 1e-9 * std::abs(a); }

  void StartIteration(Simulation& out) {
    const size_t places = net_.places.size();
    out.busy.assign(places, 0);
    out.stalled.assign(places, 0);
    out.moved_bytes.assign(places, 0);
    out.spans.assign(places, {});
    for (size_t place = 0; place < places; ++place) {
      next_[place] = 0;
      out.spans[place].reserve(plan_.queues[place].size());
    }
  }

  void FollowIteration(Simulation& out) {
    bool moved = true;
    while (moved) {
      moved = false;
      for (size_t place = 0; place < plan_.queues.size(); ++place) {
        while (next_[place] < plan_.queues[place].size() && Step(place, out)) moved = true;
      }
    }
  }

  bool Step(size_t place, Simulation& out) {
    const size_t at = next_[place];
    const NetCommand& command = plan_.queues[place][at];
    const Cost& cost = costs_[Index(command.op)];
    double ready = free_at_[place];
    for (const NetSync& sync : command.syncs) {
      if (sync.distance > iteration_ || cost.left_out) continue;
      const uint32_t wanted = iteration_ - sync.distance;
      if (passed_[sync.fence] <= wanted) return false;
      ready = std::max(ready, times_[sync.fence * size_t{iterations_} + wanted]);
    }
    if (!cost.left_out) ready += net_.sync_seconds * static_cast<double>(command.syncs.size());
    const bool runs = !cost.left_out && (!cost.once || iteration_ == 0);
    const double seconds = runs ? cost.seconds : 0;
    const double stalled = ready - free_at_[place];
    out.stalled[place] += stalled;
    out.busy[place] += seconds;
    if (runs) {
      out.moved_bytes[place] += cost.moved_bytes;
      out.spans[place].push_back({command.op, ready, ready + seconds, stalled});
    }
    free_at_[place] = ready + seconds;
    for (size_t i = first_fence_[Index(command.op)]; i != kNone; i = next_fence_[i]) {
      free_at_[place] += net_.fence_seconds;
      times_[i * iterations_ + passed_[i]++] = free_at_[place];
    }
    ++next_[place];
    return true;
  }

  // As an allocator that hands out the plan's buffers would count: every one is live at some time.
  void MeasurePeaks(Simulation& out) const {
    for (const auto* buffers : {&plan_.value_buffers, &plan_.workspaces}) {
      for (const NetBuffer& buffer : *buffers) {
        if (buffer.bytes == 0) continue;
        uint64_t& peak = out.peaks[Index(buffer.memory)];
        peak = std::max(peak, buffer.offset + buffer.bytes);
      }
    }
  }

  const TaskNet& net_;
  const NetPlan& plan_;
  const uint32_t iterations_;
  uint32_t iteration_ = 0;
  std::vector<size_t> next_;         // by place
  std::vector<double> free_at_;      // by place
  std::vector<Cost> costs_;          // by op
  std::vector<size_t> first_fence_;  // by op
  std::vector<size_t> next_fence_;   // by fence: the next one of the same op
  std::vector<double> times_;        // by fence and iteration
  std::vector<uint32_t> passed_;     // by fence: iterations
};

}  // namespace

Simulation Simulate(const TaskNet& net, const NetPlan& plan, uint32_t most_iterations) {
  return Simulator(net, plan, most_iterations, {}).Run();
}

std::vector<std::vector<std::vector<SimulatedSpan>>> SimulateTurns(const TaskNet& net,
                                                                   const NetPlan& plan,
                                                                   uint32_t turns) {
  return Simulator(net, plan, turns, {}).RunTurns(turns);
}

Simulation SimulateArms(const TaskNet& net, const NetPlan& plan, const std::vector<bool>& carried) {
  return Simulator(net, plan, 1, carried).Run();
}

}  // namespace tinyai
