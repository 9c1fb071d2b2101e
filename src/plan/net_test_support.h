#pragma once

// Random task nets, and an oracle that carries plans out in random timings.

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "plan/net_plan.h"
#include "plan/task_net.h"

namespace tinyai {

struct RandomNetShape {
  uint32_t ops = 12;
  uint32_t places = 3;
  bool loops = false;
  bool arms = false;
  bool in_place = true;
  double density = 0.25;
};

class RandomNet {
 public:
  RandomNet(const RandomNetShape& shape, uint64_t seed) : shape_(shape), random_(seed) {
    net_.memories = {{"RAM", ~uint64_t{0}, 8}};
    for (uint32_t i = 0; i < shape.places; ++i) {
      net_.places.push_back({fmt::format("P{}", i), {}, i == 0});
    }
    net_.regions = {{"all", {}, {}, true}};
    net_.loops = shape.loops;
    AddGiven();
    for (uint32_t i = 0; i < shape.ops; ++i) AddOp(i);
    net_.values.back().wanted = true;
    if (shape.loops) Carry();
  }
  TaskNet Take() { return std::move(net_); }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }
  bool Chance(double p) { return std::uniform_real_distribution<double>(0, 1)(random_) < p; }

  void AddGiven() {
    for (uint32_t i = 0; i < 2; ++i) {
      net_.values.push_back({.name = fmt::format("g{}", i), .bytes = 8 * Below(5), .given = true});
    }
  }

  RegionId RegionFor(uint32_t i) {
    if (!shape_.arms || i < 2) return {};
    if (net_.regions.size() == 1 && Chance(0.5)) {
      NetValueId condition = net_.ops[Below(net_.ops.size())].outs[0];
      net_.regions.push_back({"then", {}, condition, true});
      net_.regions.push_back({"else", {}, condition, false});
    }
    return RegionId(Below(net_.regions.size()));
  }

  void AddOp(uint32_t i) {
    NetOp op{.name = fmt::format("o{}", i), .region = RegionFor(i)};
    for (size_t v = 0; v < net_.values.size(); ++v) {
      if (Chance(shape_.density) && Visible(v, op.region)) op.ins.push_back(NetValueId(v));
    }
    std::shuffle(op.ins.begin(), op.ins.end(), random_);
    op.choices = {{PlaceId(Below(shape_.places)), static_cast<double>(1 + Below(9)),
                   Chance(0.3) ? 8 * Below(4) : 0}};
    const uint32_t outs = Chance(0.2) ? 2 : 1;
    for (uint32_t o = 0; o < outs; ++o) {
      op.outs.push_back(NetValueId(net_.values.size()));
      maker_region_[net_.values.size()] = op.region;
      net_.values.push_back({.name = fmt::format("v{}.{}", i, o), .bytes = 8 * Below(6)});
    }
    if (shape_.in_place && !op.ins.empty() && Chance(0.4)) {
      op.in_place = true;
      net_.values[Index(op.outs[0])].bytes = net_.value(op.ins[0]).bytes;
    }
    if (shape_.loops && Index(op.region) == 0 && Chance(0.1))
      op.once = std::none_of(op.ins.begin(), op.ins.end(),
                             [&](auto in) { return !net_.value(in).given; });
    if (op.once) op.in_place = false;
    net_.ops.push_back(std::move(op));
  }

  bool Visible(size_t value, RegionId region) const {
    const auto made = maker_region_.find(value);
    if (made == maker_region_.end() || Index(made->second) == 0) return true;
    return made->second == region;
  }

  // One given value becomes the result of an op in the next iteration.
  void Carry() {
    for (size_t v = 2; v < net_.values.size(); ++v) {
      const NetValueId id = NetValueId(v);
      const auto maker = std::find_if(net_.ops.begin(), net_.ops.end(), [&](const NetOp& op) {
        return std::find(op.outs.begin(), op.outs.end(), id) != op.outs.end();
      });
      if (maker->once || maker->in_place || Index(maker->region) != 0) continue;
      // Whoever reads the old value must not come after the new one: it would be a cycle.
      bool late = false;
      for (const NetOp& op : net_.ops) {
        const bool reads_old =
            std::find(op.ins.begin(), op.ins.end(), NetValueId(0)) != op.ins.end();
        late = late || (reads_old && &op >= &*maker);
        late = late || (reads_old && (op.in_place || op.once));
      }
      if (late) continue;
      net_.values[v].bytes = net_.values[0].bytes;
      net_.values[0].carried_from = id;
      return;
    }
  }

  const RandomNetShape shape_;
  std::mt19937_64 random_;
  TaskNet net_;
  std::map<size_t, RegionId> maker_region_;
};

// Carries a plan out with random delays, arm by random arm, and tells whether any op ever saw other
// bytes than those it asked for. Finds harm, cannot prove that there is none.
class TimingOracle {
 public:
  TimingOracle(const TaskNet& net, const NetPlan& plan) : net_(net), plan_(plan) {
    for (size_t i = 0; i < net.ops.size(); ++i) {
      for (const NetValueId out : net.ops[i].outs) maker_[Index(out)] = i;
    }
  }

  bool FindsHarm(uint32_t runs, uint64_t seed) {
    for (uint32_t run = 0; run < runs; ++run) {
      if (!RunOnce(seed + run)) return true;
    }
    return false;
  }

 private:
  struct Event {
    double time;
    bool ends;
    size_t place, at;
    uint64_t round;
  };

  // True if all went well.
  bool RunOnce(uint64_t seed) {
    std::mt19937_64 random(seed);
    const uint64_t rounds = net_.loops ? 4 : 1;
    std::vector<std::vector<bool>> taken(rounds, std::vector<bool>(net_.regions.size(), true));
    for (auto& arms : taken) {
      const bool first = random() % 2 == 0;
      for (size_t r = 1; r < arms.size(); ++r) arms[r] = net_.regions[r].arm == first;
    }
    std::vector<Event> events;
    if (!Time(random, rounds, taken, events)) return false;
    // At equal times ends come first: a reader may start when the writer has ended.
    std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
      return std::pair(a.time, !a.ends) < std::pair(b.time, !b.ends);
    });
    return Replay(events);
  }

  bool Time(std::mt19937_64& random, uint64_t rounds, const std::vector<std::vector<bool>>& taken,
            std::vector<Event>& events) {
    std::vector<size_t> done(plan_.queues.size(), 0);
    std::vector<double> free_at(plan_.queues.size(), 0);
    std::map<std::pair<size_t, uint64_t>, double> passed;  // place and position
    bool moved = true;
    while (moved) {
      moved = false;
      for (size_t place = 0; place < done.size(); ++place) {
        const auto& queue = plan_.queues[place];
        while (done[place] < queue.size() * rounds) {
          const uint64_t round = done[place] / queue.size();
          const NetCommand& command = queue[done[place] % queue.size()];
          const NetOp& op = net_.op(command.op);
          const bool runs = taken[round][Index(op.region)] && !(op.once && round > 0);
          double start = free_at[place];
          bool ready = true;
          for (const NetSync& sync : command.syncs) {
            if (sync.distance > round || !taken[round][Index(op.region)]) continue;
            const NetFence& fence = plan_.fences[sync.fence];
            const uint64_t position =
                (round - sync.distance) * plan_.queues[Index(fence.place)].size() + fence.command +
                1;
            const auto found = passed.find({Index(fence.place), position});
            ready = ready && found != passed.end();
            if (ready) start = std::max(start, found->second);
          }
          if (!ready) break;
          double end = start;
          if (runs) {
            start += static_cast<double>(random() % 4);
            end =
                start + static_cast<double>(random() % 3 == 0 ? random() % 40 : random() % 3) + 0.5;
            events.push_back({start, false, place, done[place] % queue.size(), round});
            events.push_back({end, true, place, done[place] % queue.size(), round});
          }
          free_at[place] = end;
          passed[{place, ++done[place]}] = end;
          moved = true;
        }
      }
    }
    for (size_t place = 0; place < done.size(); ++place) {
      if (done[place] < plan_.queues[place].size() * rounds) return false;  // deadlock
    }
    return true;
  }

  uint64_t Content(size_t value, uint64_t round) const {
    const auto from = net_.values[value].carried_from;
    if (from && round > 0) return Content(Index(*from), round - 1);
    const auto maker = maker_.find(value);
    const bool lasting = maker == maker_.end() || net_.ops[maker->second].once;
    return (value + 1) * 1000 + (lasting ? 0 : round);
  }

  bool Holds(const std::vector<uint64_t>& memory, size_t value, uint64_t round) const {
    const NetBuffer& buffer = plan_.value_buffers[value];
    for (uint64_t b = 0; b < buffer.bytes; ++b) {
      if (memory[Begin(buffer) + b] != Content(value, round)) return false;
    }
    return true;
  }

  // Where it lies if the memories follow each other.
  uint64_t Begin(const NetBuffer& buffer) const {
    const auto first = plan_.heights.begin();
    return std::accumulate(first, first + static_cast<std::ptrdiff_t>(Index(buffer.memory)),
                           buffer.offset);
  }

  bool Replay(const std::vector<Event>& events) const {
    std::vector<uint64_t> memory(
        std::accumulate(plan_.heights.begin(), plan_.heights.end(), uint64_t{0}), 0);
    const auto fill = [&](const NetBuffer& buffer, uint64_t content) {
      for (uint64_t b = 0; b < buffer.bytes; ++b) memory[Begin(buffer) + b] = content;
    };
    for (size_t v = 0; v < net_.values.size(); ++v) {
      if (net_.values[v].given) fill(plan_.value_buffers[v], Content(v, 0));
    }
    for (const Event& event : events) {
      const NetOpId id = plan_.queues[event.place][event.at].op;
      const NetOp& op = net_.op(id);
      if (!event.ends) {
        // Whatever it writes is spoilt from now on, but not what it reads in place.
        for (size_t o = 0; o < op.outs.size(); ++o) {
          const NetBuffer& out = plan_.value_buffers[Index(op.outs[o])];
          const bool same =
              op.in_place && o == 0 && Begin(out) == Begin(plan_.value_buffers[Index(op.ins[0])]);
          if (!same) fill(out, 1);
        }
        fill(plan_.workspaces[Index(id)], 2 + Index(id));
      }
      for (const NetValueId in : op.ins) {
        if (!Holds(memory, Index(in), event.round)) return false;
      }
      if (!event.ends) continue;
      const NetBuffer& workspace = plan_.workspaces[Index(id)];
      for (uint64_t b = 0; b < workspace.bytes; ++b) {
        if (memory[Begin(workspace) + b] != 2 + Index(id)) return false;
      }
      for (const NetValueId out : op.outs) {
        fill(plan_.value_buffers[Index(out)], Content(Index(out), event.round));
      }
    }
    for (size_t v = 0; v < net_.values.size(); ++v) {
      const auto maker = maker_.find(v);
      const bool in_arm = maker != maker_.end() && Index(net_.ops[maker->second].region) != 0;
      if (net_.values[v].wanted && !in_arm && !Holds(memory, v, net_.loops ? 3 : 0)) return false;
    }
    return true;
  }

  const TaskNet& net_;
  const NetPlan& plan_;
  std::map<size_t, size_t> maker_;
};

inline std::vector<NetOpId> ProgramOrder(const TaskNet& net) {
  std::vector<NetOpId> order;
  for (size_t i = 0; i < net.ops.size(); ++i) order.push_back(NetOpId(i));
  return order;
}
inline std::vector<PlaceId> FirstPlaces(const TaskNet& net) {
  std::vector<PlaceId> places;
  for (const NetOp& op : net.ops) places.push_back(op.choices.front().place);
  return places;
}

}  // namespace tinyai
