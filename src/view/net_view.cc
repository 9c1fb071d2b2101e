#include "view/net_view.h"

#include <algorithm>
#include <span>
#include <tuple>

#include "fmt/format.h"

namespace tinyai {
namespace {

auto KeyOf(const SyncCause& cause) { return std::tuple(cause.place, cause.command, cause.sync); }

// The value that one op makes and another reads; nothing if they share none.
std::string ValueBetween(const TaskNet& net, const NetNeed& need) {
  for (const NetValueId out : net.op(need.earlier).outs) {
    const NetOperands& ins = net.op(need.later).ins;
    const bool read = std::any_of(ins.begin(), ins.end(), [&](NetValueId in) {
      return in == out || net.value(in).carried_from == out;
    });
    if (read) return net.value(out).name;
  }
  return {};
}

// Where the results of an op lie: "ring slot 2".
std::string PlaceOfResults(const NetView& view, NetOpId id) {
  const NetOp& op = view.net.op(id);
  if (op.outs.empty()) return "its memory";
  const NetBuffer& buffer = view.planned.plan.value_buffers[Index(op.outs[0])];
  const uint64_t offset = view.BeginOf(buffer.memory) + buffer.offset;
  for (const PlanBuffer& area : view.areas) {
    if (area.kind != BufferKind::kRing && area.kind != BufferKind::kStaging) continue;
    if (offset >= area.offset && offset < area.offset + area.bytes) return area.name;
  }
  const std::string bytes =
      fmt::format("bytes {} to {}", buffer.offset, buffer.offset + buffer.bytes);
  if (view.net.memories.size() == 1) return bytes;
  return fmt::format("{} of {}", bytes, view.net.memories[Index(buffer.memory)].name);
}

}  // namespace

uint64_t NetView::BeginOf(MemoryId memory) const {
  if (Index(memory) < memory_begins.size()) return memory_begins[Index(memory)];
  uint64_t begin = 0;
  for (size_t i = 0; i < Index(memory); ++i) begin += planned.plan.heights[i];
  return begin;
}

std::optional<uint64_t> NetLoop::turns() const {
  if (!iterations) return std::nullopt;
  return *iterations / window + (*iterations % window != 0 ? 1 : 0);
}

std::string NetLoop::Describe() const {
  std::string out = iterations ? fmt::format("{}, {} iterations", name, *iterations) : name;
  if (window > 1) out += fmt::format("{} turns of {}", iterations ? " in" : ",", window);
  return out;
}

std::vector<NetFence> CommandsOf(const NetView& view, const NetLoop& loop) {
  std::vector<NetFence> out;
  const auto& queues = view.planned.plan.queues;
  for (size_t place = 0; place < queues.size(); ++place) {
    for (uint32_t at = 0; at < queues[place].size(); ++at) {
      const auto& all = loop.members;
      const bool member = std::find(all.begin(), all.end(), queues[place][at].op) != all.end();
      if (member) out.push_back({PlaceId(place), at});
    }
  }
  return out;
}

NetTimes::NetTimes(const NetView& view, const std::vector<std::vector<SimulatedSpan>>& simulated)
    : spans_(view.planned.plan.queues.size()), span_of_(view.net.ops.size(), nullptr) {
  bool any = false;
  for (const std::vector<SimulatedSpan>& spans : simulated) {
    for (const SimulatedSpan& span : spans) {
      span_of_[Index(span.op)] = &span;
      origin_ = any ? std::min(origin_, span.begin) : span.begin;
      last_end_ = any ? std::max(last_end_, span.end) : span.end;
      any = true;
    }
  }
  for (size_t place = 0; place < spans_.size(); ++place) {
    for (const NetCommand& command : view.planned.plan.queues[place]) {
      spans_[place].push_back(span_of_[Index(command.op)]);
    }
  }
  FindLives(view);
}

const SimulatedSpan* NetTimes::span(PlaceId place, size_t command) const {
  return spans_[Index(place)][command];
}

void NetTimes::FindLives(const NetView& view) {
  const TaskNet& net = view.net;
  lives_.resize(net.values.size());
  std::vector<bool> made(net.values.size(), false);
  const auto touch = [&](NetValueId id, double from, double to) {
    Life& life = lives_[Index(id)];
    life.span = made[Index(id)]
                    ? TimeSpan{std::min(life.span.begin, from), std::max(life.span.end, to)}
                    : TimeSpan{from, to};
    made[Index(id)] = true;
  };
  for (size_t i = 0; i < net.ops.size(); ++i) {
    const SimulatedSpan* span = span_of_[i];
    for (const NetValueId out : net.ops[i].outs) {
      if (span != nullptr) touch(out, span->begin - origin_, span->end - origin_);
      if (span == nullptr || (net.ops[i].once && net.loops)) lives_[Index(out)].always = true;
    }
    if (span == nullptr) continue;
    for (const NetValueId in : net.ops[i].ins) {
      touch(in, span->begin - origin_, span->end - origin_);
    }
  }
  for (size_t i = 0; i < net.values.size(); ++i) {
    const NetValue& value = net.values[i];
    if (value.given && !net.loops) lives_[i].span.begin = 0;
    if (value.given && net.loops) lives_[i].always = true;
    if (value.carried_from) lives_[Index(*value.carried_from)].always = true;
    if (value.wanted) lives_[i].span.end = last_end_ - origin_;
  }
}

namespace {

// When bytes of one kind come into use and fall free.
class UseCounter {
 public:
  UseCounter(const NetView& view, const NetTimes& times)
      : view_(view),
        times_(times),
        period_(view.net.loops ? view.planned.simulation.makespan
                               : times.last_end() - times.origin()) {}

  std::vector<MemoryPoint> Count() {
    AddValues();
    std::sort(changes_.begin(), changes_.end(),
              [](const Change& a, const Change& b) { return a.at < b.at; });
    std::vector<MemoryPoint> points = {{0, constant_}};
    for (const Change& change : changes_) {
      if (change.at > points.back().seconds) points.push_back({change.at, points.back().bytes});
      points.back().bytes[change.kind] += static_cast<uint64_t>(change.bytes);
    }
    return points;
  }

 private:
  struct Change {
    double at;
    size_t kind;
    int64_t bytes;
  };
  struct Use {
    NetBuffer buffer;
    size_t kind;
    NetTimes::Life life;
  };

  // Values in the same bytes of memory, one after the other in time.
  void AddValues() {
    constant_.assign(view_.kinds.size(), 0);
    std::vector<Use> uses;
    for (size_t i = 0; i < view_.net.values.size(); ++i) {
      const NetBuffer& buffer = view_.planned.plan.value_buffers[i];
      if (buffer.bytes != 0) uses.push_back({buffer, view_.kind_of[i], times_.lives()[i]});
    }
    const auto key = [](const Use& use) {
      return std::tuple(use.kind, use.buffer.memory, use.buffer.offset, use.buffer.bytes);
    };
    std::sort(uses.begin(), uses.end(), [&](const Use& a, const Use& b) {
      return std::tuple(key(a), a.life.span.begin) < std::tuple(key(b), b.life.span.begin);
    });
    for (size_t begin = 0; begin < uses.size();) {
      size_t end = begin + 1;
      while (end < uses.size() && key(uses[end]) == key(uses[begin])) ++end;
      AddBuffer({uses.data() + begin, end - begin});
      begin = end;
    }
  }

  void AddBuffer(std::span<const Use> uses) {
    const bool always = std::any_of(uses.begin(), uses.end(), [&](const Use& use) {
      return use.life.always || use.life.span.end - use.life.span.begin >= period_;
    });
    if (always) {
      constant_[uses[0].kind] += uses[0].buffer.bytes;
      return;
    }
    TimeSpan open = uses[0].life.span;
    for (const Use& use : uses.subspan(1)) {
      if (use.life.span.begin > open.end) {
        AddSpan(uses[0], open);
        open = use.life.span;
      }
      open.end = std::max(open.end, use.life.span.end);
    }
    AddSpan(uses[0], open);
  }

  void AddSpan(const Use& use, const TimeSpan& span) {
    if (span.begin >= span.end) return;
    if (span.end - span.begin >= period_) {
      constant_[use.kind] += use.buffer.bytes;
      return;
    }
    const auto bytes = static_cast<int64_t>(use.buffer.bytes);
    const double begin = Fold(span.begin), end = Fold(span.end);
    changes_.push_back({begin, use.kind, bytes});
    changes_.push_back({end, use.kind, -bytes});
    if (end < begin) constant_[use.kind] += use.buffer.bytes;  // over the turn of the iteration
  }
  double Fold(double seconds) const {
    if (!view_.net.loops) return seconds;
    while (seconds >= period_) seconds -= period_;
    return seconds;
  }

  const NetView& view_;
  const NetTimes& times_;
  const double period_;
  std::vector<uint64_t> constant_;  // by kind: at time 0, before any change
  std::vector<Change> changes_;
};

}  // namespace

std::vector<MemoryPoint> MemoryOverTime(const NetView& view, const NetTimes& times) {
  return UseCounter(view, times).Count();
}

SyncCauses::SyncCauses(const NetView& view) : view_(view), sorted_(view.planned.causes) {
  std::sort(sorted_.begin(), sorted_.end(),
            [](const SyncCause& a, const SyncCause& b) { return KeyOf(a) < KeyOf(b); });
}

const SyncCause* SyncCauses::Find(PlaceId place, size_t command, size_t sync) const {
  const auto key = std::tuple(place, static_cast<uint32_t>(command), static_cast<uint32_t>(sync));
  const auto found =
      std::lower_bound(sorted_.begin(), sorted_.end(), key,
                       [](const SyncCause& cause, const auto& k) { return KeyOf(cause) < k; });
  return found == sorted_.end() || KeyOf(*found) != key ? nullptr : &*found;
}

std::string SyncCauses::Kind(PlaceId place, size_t command, size_t sync) const {
  const SyncCause* cause = Find(place, command, sync);
  if (cause == nullptr) return "given";
  switch (cause->need.kind) {
    case NetNeed::Kind::kData:
      return "data";
    case NetNeed::Kind::kOrder:
      return "order";
    case NetNeed::Kind::kReuse:
      return "reuse";
  }
  return {};
}

std::string SyncCauses::Text(PlaceId place, size_t command, size_t sync) const {
  const SyncCause* cause = Find(place, command, sync);
  if (cause == nullptr) return "as the plan says";
  const NetNeed& need = cause->need;
  const std::string& earlier = view_.net.op(need.earlier).name;
  switch (need.kind) {
    case NetNeed::Kind::kData: {
      const std::string value = ValueBetween(view_.net, need);
      if (earlier == "load " + value) return fmt::format("data: needs {}", value);
      return fmt::format("data: needs {} of {}", value.empty() ? "a result" : value, earlier);
    }
    case NetNeed::Kind::kOrder:
      return fmt::format("order: comes after {}", earlier);
    case NetNeed::Kind::kReuse:
      return fmt::format("reuse of {}: {} has to be done with it",
                         PlaceOfResults(view_, need.later), earlier);
  }
  return {};
}

std::string FenceText(const NetView& view, uint32_t fence) {
  const NetPlan& plan = view.planned.plan;
  const NetFence& at = plan.fences[fence];
  const NetCommand& command = plan.queues[Index(at.place)][at.command];
  return fmt::format("{} after {}", view.net.place(at.place).name, view.net.op(command.op).name);
}

}  // namespace tinyai
