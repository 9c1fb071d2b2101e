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

class DotWriter {
 public:
  DotWriter(const NetView& view, const TextSink& sink)
      : view_(view), net_(view.net), plan_(view.planned.plan), sink_(sink), causes_(view) {}

  Status Write() const {
    TRY(
        sink_(fmt::format("digraph plan {{\n  label={};\n  rankdir=LR;\n"
                          "  node [shape=box, fontname=\"sans-serif\"];\n",
                          DotString(view_.title))));
    for (size_t place = 0; place < plan_.queues.size(); ++place) TRY(Cluster(place));
    TRY(DataEdges());
    for (size_t place = 0; place < plan_.queues.size(); ++place) {
      for (size_t at = 0; at < plan_.queues[place].size(); ++at) TRY(Syncs(PlaceId(place), at));
    }
    return sink_("}\n");
  }

 private:
  Status Cluster(size_t place) const {
    TRY(sink_(fmt::format("  subgraph cluster_{} {{\n    label={};\n", place,
                          DotString(net_.places[place].name))));
    for (const NetCommand& command : plan_.queues[place]) {
      const NetOp& op = net_.op(command.op);
      TRY(sink_(fmt::format("    o{} [label={}{}];\n", Index(command.op), DotString(op.name),
                            op.once && net_.loops ? ", style=dotted" : "")));
    }
    return sink_("  }\n");
  }

  Status DataEdges() const {
    const std::vector<std::optional<NetOpId>> makers = Makers(net_);
    for (size_t i = 0; i < net_.ops.size(); ++i) {
      for (const NetValueId in : net_.ops[i].ins) {
        const auto maker = makers[Index(in)];
        if (!maker) continue;
        TRY(sink_(fmt::format("  o{} -> o{} [tooltip={}];\n", Index(*maker), i,
                              DotString(net_.value(in).name))));
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
      TRY(sink_(fmt::format("  o{} -> o{} [style=dashed, color={}, tooltip={}{}];\n",
                            Index(earlier), Index(command.op),
                            causes_.Kind(place, at, i) == "reuse" ? "firebrick" : "royalblue",
                            DotString(causes_.Text(place, at, i)), distance)));
    }
    return {};
  }

  const NetView& view_;
  const TaskNet& net_;
  const NetPlan& plan_;
  const TextSink& sink_;
  const SyncCauses causes_;
};

}  // namespace

Status WriteDot(const NetView& view, const TextSink& sink) { return DotWriter(view, sink).Write(); }

}  // namespace tinyai
