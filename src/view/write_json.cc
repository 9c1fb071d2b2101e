#include "fmt/format.h"
#include "view/json_text.h"
#include "view/write_view.h"

namespace tinyai {
namespace {

class JsonWriter {
 public:
  JsonWriter(const NetView& view, const TextSink& sink)
      : view_(view),
        net_(view.net),
        plan_(view.planned.plan),
        sink_(sink),
        times_(view),
        causes_(view) {}

  Status Write() {
    TRY(sink_(Head()));
    TRY(WriteJsonList(sink_, "memories", net_.memories.size(),
                      [&](size_t i) { return Memory(i); }));
    TRY(WriteJsonList(sink_, "held", view_.held.size(), [&](size_t i) {
      return fmt::format(R"({{"name":{},"bytes":{}}})", JsonString(view_.held[i].name),
                         view_.held[i].bytes);
    }));
    TRY(Places());
    TRY(WriteJsonList(sink_, "fences", plan_.fences.size(), [&](size_t i) {
      return fmt::format(R"({{"place":{},"command":{}}})",
                         JsonString(net_.place(plan_.fences[i].place).name),
                         plan_.fences[i].command);
    }));
    TRY(WriteJsonList(sink_, "buffers", net_.values.size(), [&](size_t i) { return Buffer(i); }));
    TRY(WriteJsonList(sink_, "reasons", view_.reasons.size(), [&](size_t i) {
      return fmt::format(R"({{"choice":{},"text":{}}})", JsonString(view_.reasons[i].choice),
                         JsonString(view_.reasons[i].text));
    }));
    TRY(Bodies());
    return sink_("\n}\n");
  }

 private:
  std::string Head() const {
    const Simulation& simulation = view_.planned.simulation;
    std::string out = "{\n\"format\":\"tinyai plan\",\"version\":1,\n";
    out += fmt::format("\"title\":{},\n\"loops\":{},\n\"seconds\":{},\n", JsonString(view_.title),
                       net_.loops, JsonSeconds(simulation.makespan));
    out += fmt::format("\"budget_bytes\":{},\n",
                       view_.budget_bytes == 0 ? "null" : std::to_string(view_.budget_bytes));
    return out + fmt::format("\"syncs\":{{\"value\":{},\"lower_bound\":{}}}",
                             view_.planned.syncs.value, view_.planned.syncs.lower_bound);
  }

  std::string Memory(size_t i) const {
    const Bounded& peak = view_.planned.peaks[i];
    return fmt::format(
        R"({{"name":{},"alignment":{},"height_bytes":{},"peak_bytes":{},"least_peak_bytes":{}}})",
        JsonString(net_.memories[i].name), net_.memories[i].alignment, plan_.heights[i], peak.value,
        peak.lower_bound);
  }

  Status Places() const {
    TRY(sink_(",\n\"places\":["));
    for (size_t i = 0; i < net_.places.size(); ++i) {
      const NetPlace& place = net_.places[i];
      const Simulation& simulation = view_.planned.simulation;
      TRY(sink_(fmt::format(
          "{}\n{{\"name\":{},\"memory\":{},\"busy_seconds\":{},\"stalled_seconds\":{},"
          "\"moved_bytes\":{},\"commands\":[",
          i == 0 ? "" : ",", JsonString(place.name),
          JsonString(net_.memories[Index(place.memory)].name), JsonSeconds(simulation.busy[i]),
          JsonSeconds(simulation.stalled[i]), simulation.moved_bytes[i])));
      for (size_t at = 0; at < plan_.queues[i].size(); ++at) {
        TRY(sink_(at == 0 ? "\n" : ",\n"));
        TRY(sink_(Command(PlaceId(i), at)));
      }
      TRY(sink_("]}"));
    }
    return sink_("]");
  }

  Status Bodies() const {
    if (view_.loops.empty()) return {};
    TRY(sink_(",\n\"bodies\":["));
    for (const NetLoop& loop : view_.loops) {
      std::string commands;
      for (const NetFence& at : CommandsOf(view_, loop)) {
        commands += fmt::format(R"({}{{"place":{},"command":{}}})", commands.empty() ? "" : ",",
                                JsonString(net_.place(at.place).name), at.command);
      }
      TRY(sink_(fmt::format(
          "{}\n{{\"name\":{},\"window\":{},\"iterations\":{},\"commands\":[{}],\"plan\":",
          &loop == &view_.loops[0] ? "" : ",", JsonString(loop.name), loop.window,
          loop.iterations ? std::to_string(*loop.iterations) : "null", commands)));
      TRY(JsonWriter(loop.view, sink_).Write());
      TRY(sink_("}"));
    }
    return sink_("]");
  }

  // Commands of the first iteration alone have no times.
  std::string Command(PlaceId place, size_t at) const {
    const NetCommand& command = plan_.queues[Index(place)][at];
    const NetOp& op = net_.op(command.op);
    std::string out = fmt::format("{{\"op\":{}", JsonString(op.name));
    if (const SimulatedSpan* span = times_.span(place, at)) {
      out += fmt::format(",\"begin\":{},\"end\":{},\"stalled\":{}",
                         JsonSeconds(span->begin - times_.origin()),
                         JsonSeconds(span->end - times_.origin()), JsonSeconds(span->stalled));
    }
    if (op.once && net_.loops) out += ",\"once\":true";
    if (op.moved_bytes != 0) out += fmt::format(",\"bytes\":{}", op.moved_bytes);
    if (Index(op.region) != 0) {
      out += fmt::format(",\"region\":{}", JsonString(net_.regions[Index(op.region)].name));
    }
    out += ",\"syncs\":[";
    for (size_t i = 0; i < command.syncs.size(); ++i) {
      out += fmt::format("{}{{\"fence\":{},\"distance\":{},\"cause\":{},\"text\":{}}}",
                         i == 0 ? "" : ",", command.syncs[i].fence, command.syncs[i].distance,
                         JsonString(causes_.Kind(place, at, i)),
                         JsonString(causes_.Text(place, at, i)));
    }
    return out + "]}";
  }

  std::string Buffer(size_t i) const {
    const NetBuffer& buffer = plan_.value_buffers[i];
    const NetTimes::Life& life = times_.lives()[i];
    std::string out = fmt::format(
        R"({{"value":{},"kind":{},"memory":{},"offset":{},"bytes":{})",
        JsonString(net_.values[i].name), JsonString(view_.kinds[view_.kind_of[i]]),
        JsonString(net_.memories[Index(buffer.memory)].name), buffer.offset, buffer.bytes);
    if (life.always) return out + ",\"always\":true}";
    return out + fmt::format(",\"begin\":{},\"end\":{}}}", JsonSeconds(life.span.begin),
                             JsonSeconds(life.span.end));
  }

  const NetView& view_;
  const TaskNet& net_;
  const NetPlan& plan_;
  const TextSink& sink_;
  const NetTimes times_;
  const SyncCauses causes_;
};

}  // namespace

Status WriteJson(const NetView& view, const TextSink& sink) {
  return JsonWriter(view, sink).Write();
}

}  // namespace tinyai
