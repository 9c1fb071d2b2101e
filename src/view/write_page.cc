#include "fmt/format.h"
#include "view/json_text.h"
#include "view/write_view.h"

// From page_files.S: src/view/page.html and page.js.
extern "C" const char tinyai_page_begin[];
extern "C" const char tinyai_page_end[];
extern "C" const char tinyai_page_script_begin[];
extern "C" const char tinyai_page_script_end[];

namespace tinyai {
namespace {

std::string_view Between(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

std::string Microseconds(double seconds) { return fmt::format("{:.6g}", seconds * 1e6); }

// What page.js reads. Lists are arrays rather than objects, since there may be thousands of them.
class PageData {
 public:
  PageData(const NetView& view, const TextSink& sink)
      : view_(view),
        net_(view.net),
        plan_(view.planned.plan),
        sink_(sink),
        times_(view),
        causes_(view) {}

  Status Write() const {
    TRY(sink_(fmt::format(R"({{"title":{},"loops":{},"period":{},"end":{},"budget":{})",
                          JsonString(view_.title), net_.loops,
                          Microseconds(view_.planned.simulation.makespan),
                          Microseconds(times_.last_end() - times_.origin()), view_.budget_bytes)));
    TRY(WriteJsonList(sink_, "kinds", view_.kinds.size(),
                      [&](size_t i) { return JsonString(view_.kinds[i]); }));
    TRY(WriteJsonList(sink_, "held", view_.held.size(), [&](size_t i) {
      return fmt::format("[{},{}]", JsonString(view_.held[i].name), view_.held[i].bytes);
    }));
    TRY(WriteJsonList(sink_, "memories", net_.memories.size(), [&](size_t i) {
      const Bounded& peak = view_.planned.peaks[i];
      return fmt::format("[{},{},{},{}]", JsonString(net_.memories[i].name), plan_.heights[i],
                         peak.value, peak.lower_bound);
    }));
    TRY(WriteJsonList(sink_, "summary", view_.summary.size(), [&](size_t i) {
      return Pair(view_.summary[i].first, view_.summary[i].second);
    }));
    TRY(WriteJsonList(sink_, "reasons", view_.reasons.size(), [&](size_t i) {
      return Pair(view_.reasons[i].choice, view_.reasons[i].text);
    }));
    TRY(sink_(fmt::format(",\n\"text\":{}", JsonString(view_.text))));
    TRY(WriteJsonList(sink_, "fences", plan_.fences.size(), [&](size_t i) {
      return fmt::format("[{},{}]", Index(plan_.fences[i].place), plan_.fences[i].command);
    }));
    TRY(Places());
    TRY(Memory());
    TRY(WriteJsonList(sink_, "areas", view_.areas.size(),
                      [&](size_t i) { return Area(view_.areas[i]); }));
    TRY(WriteJsonList(sink_, "values", net_.values.size(), [&](size_t i) { return Value(i); }));
    return Bodies();
  }

 private:
  static std::string Pair(std::string_view a, std::string_view b) {
    return fmt::format("[{},{}]", JsonString(a), JsonString(b));
  }

  Status Places() const {
    const Simulation& simulation = view_.planned.simulation;
    TRY(sink_(",\n\"places\":["));
    for (size_t place = 0; place < net_.places.size(); ++place) {
      TRY(sink_(fmt::format("{}{{\"name\":{},\"busy\":{},\"stalled\":{}", place == 0 ? "" : ",",
                            JsonString(net_.places[place].name),
                            Microseconds(simulation.busy[place]),
                            Microseconds(simulation.stalled[place]))));
      TRY(WriteJsonList(sink_, "commands", plan_.queues[place].size(),
                        [&](size_t at) { return Command(PlaceId(place), at); }));
      TRY(sink_("}"));
    }
    return sink_("]");
  }

  // [name, begin, length, stall, bytes, [[fence, distance, text], ..]]; begin is null of commands
  // of the first iteration alone.
  std::string Command(PlaceId place, size_t at) const {
    const NetCommand& command = plan_.queues[Index(place)][at];
    const NetOp& op = net_.op(command.op);
    std::string out = fmt::format("[{}", JsonString(op.name));
    if (const SimulatedSpan* span = times_.span(place, at)) {
      out += fmt::format(",{},{},{}", Microseconds(span->begin - times_.origin()),
                         Microseconds(span->end - span->begin), Microseconds(span->stalled));
    } else {
      out += ",null,0,0";
    }
    out += fmt::format(",{},[", op.moved_bytes);
    for (size_t i = 0; i < command.syncs.size(); ++i) {
      out += fmt::format("{}[{},{},{}]", i == 0 ? "" : ",", command.syncs[i].fence,
                         command.syncs[i].distance, JsonString(causes_.Text(place, at, i)));
    }
    return out + "]]";
  }

  // Loops, each as a plan of its own; at: [place, command] of what stands for it here.
  Status Bodies() const {
    TRY(sink_(",\n\"bodies\":["));
    for (const NetLoop& loop : view_.loops) {
      std::string at;
      for (const NetFence& one : CommandsOf(view_, loop)) {
        at += fmt::format("{}[{},{}]", at.empty() ? "" : ",", Index(one.place), one.command);
      }
      TRY(sink_(fmt::format("{}\n{{\"name\":{},\"note\":{},\"at\":[{}],\"plan\":",
                            &loop == &view_.loops[0] ? "" : ",", JsonString(loop.name),
                            JsonString(loop.Describe()), at)));
      TRY(PageData(loop.view, sink_).Write());
      TRY(sink_("}"));
    }
    return sink_("]}");
  }

  // [time, bytes by kind..]
  Status Memory() const {
    const std::vector<MemoryPoint> points = MemoryOverTime(view_, times_);
    return WriteJsonList(sink_, "memory", points.size(), [&](size_t i) {
      std::string out = fmt::format("[{}", Microseconds(points[i].seconds));
      for (const uint64_t bytes : points[i].bytes) out += fmt::format(",{}", bytes);
      return out + "]";
    });
  }

  // [name, kind, offset, bytes]
  std::string Area(const PlanBuffer& area) const {
    size_t kind = 0;
    while (kind + 1 < view_.kinds.size() && view_.kinds[kind] != Name(area.kind)) ++kind;
    return fmt::format("[{},{},{},{}]", JsonString(area.name), kind, area.offset, area.bytes);
  }

  // [name, kind, offset, bytes, begin, end]; begin is null of what is there all the time.
  std::string Value(size_t i) const {
    const NetBuffer& buffer = plan_.value_buffers[i];
    const NetTimes::Life& life = times_.lives()[i];
    return fmt::format("[{},{},{},{},{},{}]", JsonString(net_.values[i].name), view_.kind_of[i],
                       view_.BeginOf(buffer.memory) + buffer.offset, buffer.bytes,
                       life.always ? "null" : Microseconds(life.span.begin),
                       life.always ? "null" : Microseconds(life.span.end));
  }

  const NetView& view_;
  const TaskNet& net_;
  const NetPlan& plan_;
  const TextSink& sink_;
  const NetTimes times_;
  const SyncCauses causes_;
};

}  // namespace

Status WritePage(const NetView& view, const TextSink& sink) {
  constexpr std::string_view kPlan = "@PLAN@", kScript = "@SCRIPT@";
  const std::string_view page = Between(tinyai_page_begin, tinyai_page_end);
  const size_t plan = page.find(kPlan), script = page.find(kScript);
  TRY(sink(page.substr(0, plan)));
  TRY(PageData(view, sink).Write());
  TRY(sink(page.substr(plan + kPlan.size(), script - plan - kPlan.size())));
  TRY(sink(Between(tinyai_page_script_begin, tinyai_page_script_end)));
  return sink(page.substr(script + kScript.size()));
}

}  // namespace tinyai
