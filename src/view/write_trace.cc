#include <algorithm>

#include "fmt/format.h"
#include "view/json_text.h"
#include "view/write_view.h"

namespace tinyai {
namespace {

constexpr double kNanosecond = 1e-9;

class PlanTracer {
 public:
  PlanTracer(const NetView& view, const TextSink& sink)
      : view_(view),
        net_(view.net),
        plan_(view.planned.plan),
        times_(view),
        causes_(view),
        writer_(sink, "planned: " + view.title) {}

  Status Write() {
    for (const NetPlace& place : net_.places) writer_.AddLane(place.name);
    for (size_t place = 0; place < plan_.queues.size(); ++place) {
      for (size_t at = 0; at < plan_.queues[place].size(); ++at) AddCommand(PlaceId(place), at);
    }
    AddMemory();
    return writer_.Finish();
  }

 private:
  double At(double simulated) const { return simulated - times_.origin(); }

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
    writer_.AddSpan(Index(place), op.name, At(span->begin), span->end - span->begin, args);
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
    if (done == nullptr || waited.distance != 0) return;
    writer_.AddArrow(causes_.Kind(place, at, sync), Index(fence.place),
                     At(std::max(done->begin, done->end - kNanosecond)), Index(place),
                     At(waiting.begin));
  }

  void AddMemory() {
    for (const MemoryPoint& point : MemoryOverTime(view_, times_)) {
      TraceWriter::Args values;
      for (const NetView::Held& held : view_.held) {
        values.emplace_back(held.name, std::to_string(held.bytes));
      }
      uint64_t used = 0, arena = 0;
      for (size_t kind = 0; kind < point.bytes.size(); ++kind) {
        values.emplace_back(view_.kinds[kind], std::to_string(point.bytes[kind]));
        used += point.bytes[kind];
      }
      for (const uint64_t height : plan_.heights) arena += height;
      values.emplace_back("arena, free", std::to_string(arena - std::min(arena, used)));
      writer_.AddCounter("memory", point.seconds, values);
    }
  }

  const NetView& view_;
  const TaskNet& net_;
  const NetPlan& plan_;
  const NetTimes times_;
  const SyncCauses causes_;
  TraceWriter writer_;
};

}  // namespace

Status WriteTrace(const NetView& view, const TextSink& sink) {
  return PlanTracer(view, sink).Write();
}

}  // namespace tinyai
