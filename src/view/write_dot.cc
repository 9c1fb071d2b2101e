#include "base/escape.h"
#include "fmt/format.h"
#include "view/write_view.h"

namespace tinyai {
namespace {

// Graphviz knows two escapes only.
std::string DotString(std::string_view text) {
  std::string out = "\"";
  for (const char c : EscapeControl(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// A net, or the body of a loop in one: names of its nodes begin with `prefix`.
class DotWriter {
 public:
  DotWriter(const NetView& view, const TextSink& sink, std::string prefix)
      : view_(view),
        net_(view.net),
        plan_(view.planned.plan),
        sink_(sink),
        causes_(view),
        prefix_(std::move(prefix)) {}

  Status Write() const {
    for (size_t place = 0; place < plan_.queues.size(); ++place) TRY(Cluster(place));
    for (size_t i = 0; i < view_.loops.size(); ++i) TRY(Loop(i));
    TRY(DataEdges());
    for (size_t place = 0; place < plan_.queues.size(); ++place) {
      for (size_t at = 0; at < plan_.queues[place].size(); ++at) TRY(Syncs(PlaceId(place), at));
    }
    return {};
  }

 private:
  std::string Node(NetOpId op) const { return fmt::format("{}o{}", prefix_, Index(op)); }

  Status Cluster(size_t place) const {
    if (!prefix_.empty() && plan_.queues[place].empty()) return {};
    TRY(sink_(fmt::format("  subgraph cluster_{}{} {{\n    label={};\n", prefix_, place,
                          DotString(net_.places[place].name))));
    for (const NetCommand& command : plan_.queues[place]) {
      const NetOp& op = net_.op(command.op);
      TRY(sink_(fmt::format("    {} [label={}{}];\n", Node(command.op), DotString(op.name),
                            op.once && net_.loops ? ", style=dotted" : "")));
    }
    return sink_("  }\n");
  }

  // A cluster, with a dotted line from what stands for it at each place to what is done first
  // there.
  Status Loop(size_t index) const {
    const NetLoop& loop = view_.loops[index];
    const DotWriter body(loop.view, sink_, fmt::format("{}l{}_", prefix_, index));
    const std::string cluster = fmt::format("cluster_{}l{}", prefix_, index);
    TRY(sink_(fmt::format("  subgraph {} {{\n  label={};\n  style=rounded;\n", cluster,
                          DotString(loop.Describe()))));
    TRY(body.Write());
    TRY(sink_("  }\n"));
    for (const NetFence& at : CommandsOf(view_, loop)) {
      const std::vector<NetCommand>& inside = body.plan_.queues[Index(at.place)];
      if (inside.empty()) continue;
      TRY(sink_(fmt::format("  {} -> {} [style=dotted, arrowhead=none, lhead={}];\n",
                            Node(plan_.queues[Index(at.place)][at.command].op),
                            body.Node(inside[0].op), cluster)));
    }
    return {};
  }

  Status DataEdges() const {
    const std::vector<std::optional<NetOpId>> makers = Makers(net_);
    for (size_t i = 0; i < net_.ops.size(); ++i) {
      for (const NetValueId in : net_.ops[i].ins) {
        const NetValue& value = net_.value(in);
        const auto maker = makers[Index(value.carried_from.value_or(in))];
        if (!maker) continue;
        TRY(sink_(fmt::format("  {} -> {} [tooltip={}{}];\n", Node(*maker), Node(NetOpId(i)),
                              DotString(value.name), value.carried_from ? kBefore : "")));
      }
    }
    return {};
  }

  Status Syncs(PlaceId place, size_t at) const {
    const NetCommand& command = plan_.queues[Index(place)][at];
    for (size_t i = 0; i < command.syncs.size(); ++i) {
      const NetSync& sync = command.syncs[i];
      const NetFence& fence = plan_.fences[sync.fence];
      const NetOpId earlier = plan_.queues[Index(fence.place)][fence.command].op;
      const std::string distance =
          sync.distance == 0 ? "" : fmt::format(", label=\"-{}\", constraint=false", sync.distance);
      TRY(sink_(fmt::format("  {} -> {} [style=dashed, color={}, tooltip={}{}];\n", Node(earlier),
                            Node(command.op),
                            causes_.Kind(place, at, i) == "reuse" ? "firebrick" : "royalblue",
                            DotString(causes_.Text(place, at, i)), distance)));
    }
    return {};
  }

  // What the iteration before has left.
  static constexpr std::string_view kBefore = ", label=\"-1\", constraint=false";

  const NetView& view_;
  const TaskNet& net_;
  const NetPlan& plan_;
  const TextSink& sink_;
  const SyncCauses causes_;
  const std::string prefix_;
};

}  // namespace

Status WriteDot(const NetView& view, const TextSink& sink) {
  TRY(
      sink(fmt::format("digraph plan {{\n  label={};\n  rankdir=LR;\n{}"
                       "  node [shape=box, fontname=\"sans-serif\"];\n",
                       DotString(view.title), view.loops.empty() ? "" : "  compound=true;\n")));
  TRY(DotWriter(view, sink, "").Write());
  return sink("}\n");
}

}  // namespace tinyai
