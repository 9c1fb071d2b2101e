#include <algorithm>

#include "fmt/format.h"
#include "plan/simulate_turns.h"
#include "view/json_text.h"
#include "view/write_view.h"

namespace tinyai {
namespace {

constexpr double kNanosecond = 1e-9;

// How many turns of a loop are shown one by one.
constexpr uint64_t kShownTurns = 4;

// Turns of a net in lanes of a trace.
class NetTracer {
 public:
  // `lanes`: by place. `turns`: their times; the first one's begin is `begin` in the trace.
  NetTracer(const NetView& view, TraceWriter& writer, std::vector<size_t> lanes,
            std::vector<NetTimes> turns, double begin)
      : view_(view),
        net_(view.net),
        plan_(view.planned.plan),
        causes_(view),
        lanes_(std::move(lanes)),
        turns_(std::move(turns)),
        begin_(begin),
        writer_(writer) {}

  void Write() {
    for (turn_ = 0; turn_ < turns_.size(); ++turn_) {
      for (size_t place = 0; place < plan_.queues.size(); ++place) {
        for (size_t at = 0; at < plan_.queues[place].size(); ++at) AddCommand(PlaceId(place), at);
      }
    }
  }
  double At(double simulated) const {
    return begin_ + simulated - (turns_.empty() ? 0 : turns_[0].origin());
  }
  // When a place has done what it does in all turns.
  double EndOf(size_t place) const {
    double end = begin_;
    for (const NetTimes& times : turns_) {
      for (size_t at = 0; at < plan_.queues[place].size(); ++at) {
        const SimulatedSpan* span = times.span(PlaceId(place), at);
        if (span != nullptr) end = std::max(end, At(span->end));
      }
    }
    return end;
  }
  // In the first turn; null of what is done in none.
  const SimulatedSpan* First(const NetFence& at) const {
    return turns_.empty() ? nullptr : turns_[0].span(at.place, at.command);
  }

 private:
  // Commands of the first iteration alone have no place in the one that is shown.
  void AddCommand(PlaceId place, size_t at) {
    const SimulatedSpan* span = turns_[turn_].span(place, at);
    if (span == nullptr) return;
    const NetCommand& command = plan_.queues[Index(place)][at];
    const NetOp& op = net_.op(command.op);
    TraceWriter::Args args = {{"step", std::to_string(at)}};
    if (op.moved_bytes != 0) args.emplace_back("bytes", std::to_string(op.moved_bytes));
    args.emplace_back("stalled_us", JsonMicroseconds(span->stalled));
    for (size_t i = 0; i < command.syncs.size(); ++i) {
      args.emplace_back("sync", JsonString(Describe(place, at, i)));
    }
    MergeSyncs(args);
    writer_.AddSpan(lanes_[Index(place)], op.name, At(span->begin), span->end - span->begin, args);
    for (size_t i = 0; i < command.syncs.size(); ++i) AddArrow(place, at, i, *span);
  }

  std::string Describe(PlaceId place, size_t at, size_t sync) const {
    const NetSync& waited = plan_.queues[Index(place)][at].syncs[sync];
    std::string before;
    if (waited.distance == 1) before = " of the pass before";
    if (waited.distance > 1) before = fmt::format(" of {} passes before", waited.distance);
    return fmt::format("{}{} ({})", FenceText(view_, waited.fence), before,
                       causes_.Text(place, at, sync));
  }
  // Names of arguments are there once: several syncs are one list.
  static void MergeSyncs(TraceWriter::Args& args) {
    const auto first =
        std::find_if(args.begin(), args.end(), [](const auto& arg) { return arg.first == "sync"; });
    if (first == args.end()) return;
    std::string list = "[";
    for (auto arg = first; arg != args.end(); ++arg) {
      if (arg != first) list += ',';
      list += arg->second;
    }
    args.erase(first, args.end());
    args.emplace_back("syncs", list + "]");
  }

  // An arrow binds to the span that it starts in: right before its end.
  void AddArrow(PlaceId place, size_t at, size_t sync, const SimulatedSpan& waiting) {
    const NetSync& waited = plan_.queues[Index(place)][at].syncs[sync];
    const NetFence& fence = plan_.fences[waited.fence];
    if (waited.distance > turn_) return;
    const SimulatedSpan* done = turns_[turn_ - waited.distance].span(fence.place, fence.command);
    if (done == nullptr) return;
    writer_.AddArrow(causes_.Kind(place, at, sync), lanes_[Index(fence.place)],
                     At(std::max(done->begin, done->end - kNanosecond)), lanes_[Index(place)],
                     At(waiting.begin));
  }

  const NetView& view_;
  const TaskNet& net_;
  const NetPlan& plan_;
  const SyncCauses causes_;
  const std::vector<size_t> lanes_;
  const std::vector<NetTimes> turns_;
  const double begin_;
  TraceWriter& writer_;
  size_t turn_ = 0;
};

class PlanTracer {
 public:
  PlanTracer(const NetView& view, const TextSink& sink)
      : view_(view), writer_(sink, "planned: " + view.title) {}

  Status Write() {
    const NetTimes times(view_);
    NetTracer tracer(view_, writer_, AddLanes(view_, ""), {times}, 0);
    tracer.Write();
    AddLoops(view_, tracer, "");
    AddMemory(times);
    return writer_.Finish();
  }

 private:
  // Of a loop only the places that have something to do.
  std::vector<size_t> AddLanes(const NetView& view, const std::string& loop) {
    std::vector<size_t> lanes;
    for (size_t place = 0; place < view.net.places.size(); ++place) {
      lanes.push_back(lanes_);
      if (!loop.empty() && view.planned.plan.queues[place].empty()) continue;
      writer_.AddLane(view.net.places[place].name + loop);
      ++lanes_;
    }
    return lanes;
  }

  // In the first turn of what is around them.
  void AddLoops(const NetView& view, const NetTracer& around, const std::string& name) {
    for (const NetLoop& loop : view.loops) {
      std::optional<double> begin;
      double end = 0;
      for (const NetFence& at : CommandsOf(view, loop)) {
        const SimulatedSpan* span = around.First(at);
        if (span == nullptr) continue;
        begin = std::max(begin.value_or(0), around.At(span->begin));
        end = std::max(end, around.At(span->end));
      }
      if (begin) AddLoop(loop, *begin, end, fmt::format("{}, {}", name, loop.name));
    }
  }

  // The first turns, and one span for all others; loops in it, in its first turn.
  void AddLoop(const NetLoop& loop, double begin, double end, const std::string& name) {
    const std::vector<size_t> lanes = AddLanes(loop.view, name);
    const std::optional<uint64_t> turns = loop.turns();
    const uint64_t shown = std::min(kShownTurns, turns.value_or(kShownTurns));
    const auto simulated =
        SimulateTurns(loop.view.net, loop.view.planned.plan, static_cast<uint32_t>(shown));
    std::vector<NetTimes> times;
    for (const auto& spans : simulated) times.emplace_back(loop.view, spans);
    NetTracer tracer(loop.view, writer_, lanes, std::move(times), begin);
    tracer.Write();
    AddLoops(loop.view, tracer, name);
    const std::string rest =
        turns ? fmt::format("turns {} to {}", shown + 1, *turns) : "further turns";
    for (size_t place = 0; place < lanes.size() && turns != shown; ++place) {
      if (loop.view.planned.plan.queues[place].empty()) continue;
      const double from = tracer.EndOf(place);
      writer_.AddSpan(lanes[place], rest, from, std::max(end - from, 0.0),
                      {{"turn_us", JsonMicroseconds(loop.view.planned.simulation.makespan)},
                       {"window", std::to_string(loop.window)}});
    }
  }

  void AddMemory(const NetTimes& times) {
    uint64_t arena = 0;
    for (const uint64_t height : view_.planned.plan.heights) arena += height;
    for (const MemoryPoint& point : MemoryOverTime(view_, times)) {
      TraceWriter::Args values;
      for (const NetView::Held& held : view_.held) {
        values.emplace_back(held.name, std::to_string(held.bytes));
      }
      uint64_t used = 0;
      for (size_t kind = 0; kind < point.bytes.size(); ++kind) {
        values.emplace_back(view_.kinds[kind], std::to_string(point.bytes[kind]));
        used += point.bytes[kind];
      }
      values.emplace_back("arena, free", std::to_string(arena - std::min(arena, used)));
      writer_.AddCounter("memory", point.seconds, values);
    }
  }

  const NetView& view_;
  TraceWriter writer_;
  size_t lanes_ = 0;
};

}  // namespace

Status WriteTrace(const NetView& view, const TextSink& sink) {
  return PlanTracer(view, sink).Write();
}

}  // namespace tinyai
