#include <algorithm>

#include "fmt/format.h"
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
  // `lanes`: by place.
  NetTracer(const NetView& view, TraceWriter& writer, std::vector<size_t> lanes)
      : view_(view),
        net_(view.net),
        plan_(view.planned.plan),
        times_(view),
        causes_(view),
        lanes_(std::move(lanes)),
        writer_(writer) {}

  // One turn, the first of which begins at `begin`.
  void AddTurn(double begin, uint64_t turn) {
    GoTo(begin, turn);
    for (size_t place = 0; place < plan_.queues.size(); ++place) {
      for (size_t at = 0; at < plan_.queues[place].size(); ++at) AddCommand(PlaceId(place), at);
    }
  }
  // What is asked from now on is about this turn.
  void GoTo(double begin, uint64_t turn) {
    begin_ = begin + static_cast<double>(turn) * period();
    turn_ = turn;
  }
  double period() const { return view_.planned.simulation.makespan; }
  double EndOf(size_t place) const {
    double end = begin_;
    for (size_t at = 0; at < plan_.queues[place].size(); ++at) {
      if (const SimulatedSpan* span = times_.span(PlaceId(place), at)) {
        end = std::max(end, At(span->end));
      }
    }
    return end;
  }
  double At(double simulated) const { return begin_ + simulated - times_.origin(); }
  const NetTimes& times() const { return times_; }

 private:
  // Commands of the first iteration alone have no place in the one that is shown.
  void AddCommand(PlaceId place, size_t at) {
    const SimulatedSpan* span = times_.span(place, at);
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
    const SimulatedSpan* done = times_.span(fence.place, fence.command);
    if (done == nullptr || waited.distance > turn_) return;
    const double before = waited.distance * period();
    writer_.AddArrow(causes_.Kind(place, at, sync), lanes_[Index(fence.place)],
                     At(std::max(done->begin, done->end - kNanosecond)) - before,
                     lanes_[Index(place)], At(waiting.begin));
  }

  const NetView& view_;
  const TaskNet& net_;
  const NetPlan& plan_;
  const NetTimes times_;
  const SyncCauses causes_;
  const std::vector<size_t> lanes_;
  TraceWriter& writer_;
  double begin_ = 0;
  uint64_t turn_ = 0;
};

class PlanTracer {
 public:
  PlanTracer(const NetView& view, const TextSink& sink)
      : view_(view), writer_(sink, "planned: " + view.title) {}

  Status Write() {
    NetTracer tracer(view_, writer_, AddLanes(view_, ""));
    tracer.AddTurn(0, 0);
    AddLoops(view_, tracer, "");
    AddMemory(tracer.times());
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

  // `around`: at the turn in which they are shown.
  void AddLoops(const NetView& view, const NetTracer& around, const std::string& name) {
    for (const NetLoop& loop : view.loops) {
      std::optional<double> begin;
      double end = 0;
      for (const NetFence& at : CommandsOf(view, loop)) {
        const SimulatedSpan* span = around.times().span(at.place, at.command);
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
    NetTracer tracer(loop.view, writer_, lanes);
    const std::optional<uint64_t> turns = loop.turns();
    const uint64_t shown = std::min(kShownTurns, turns.value_or(kShownTurns));
    for (uint64_t turn = 0; turn < shown; ++turn) tracer.AddTurn(begin, turn);
    const std::string rest =
        turns ? fmt::format("turns {} to {}", shown + 1, *turns) : "further turns";
    for (size_t place = 0; place < lanes.size() && turns != shown; ++place) {
      if (loop.view.planned.plan.queues[place].empty()) continue;
      const double from = tracer.EndOf(place);
      writer_.AddSpan(lanes[place], rest, from, std::max(end - from, 0.0),
                      {{"turn_us", JsonMicroseconds(tracer.period())},
                       {"window", std::to_string(loop.window)}});
    }
    tracer.GoTo(begin, 0);
    AddLoops(loop.view, tracer, name);
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
