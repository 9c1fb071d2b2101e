#include "plan_view.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/units.h"
#include "fmt/format.h"
#include "plan/plan_names.h"

namespace tinyai {
namespace {

constexpr size_t kKinds = static_cast<size_t>(BufferKind::kWorkspace) + 1;

void SetKind(NetView& view, NetValueId id, BufferKind kind) {
  view.kind_of[Index(id)] = static_cast<uint8_t>(kind);
}

// What each value of a model's net lies in memory for.
void FindKinds(const ModelNet& model, NetView& view) {
  for (size_t i = 0; i < kKinds; ++i) view.kinds.emplace_back(Name(BufferKind(i)));
  const TaskNet& net = model.net;
  view.kind_of.assign(net.values.size(), static_cast<uint8_t>(BufferKind::kActivation));
  for (size_t i = 0; i < net.ops.size(); ++i) {
    if (!std::holds_alternative<step::Load>(model.work[i])) continue;
    for (const NetValueId out : net.ops[i].outs) {
      SetKind(view, out, net.ops[i].once ? BufferKind::kResident : BufferKind::kRing);
    }
  }
  for (const NetValueId cache : model.caches) {
    SetKind(view, cache, BufferKind::kCache);
    if (const auto stored = net.value(cache).carried_from) {
      SetKind(view, *stored, BufferKind::kCache);
    }
  }
  for (const NetValueId scores : model.scores) SetKind(view, scores, BufferKind::kWorkspace);
  SetKind(view, model.rope, BufferKind::kWorkspace);
  for (const auto& scratch : {model.device_rope, model.device_scores}) {
    if (scratch) SetKind(view, *scratch, BufferKind::kWorkspace);
  }
  if (model.staging) SetKind(view, *model.staging, BufferKind::kStaging);
}

// Why results of a layer graph are not just kept until they were read.
void AddChanges(const SessionPlan& session, std::vector<Reason>& reasons) {
  if (!session.layers) return;
  for (const GraphChange& change : session.layers->changes) {
    switch (change.kind) {
      case GraphChange::Kind::kBands:
        reasons.push_back({"bands", fmt::format("{} run together in {} bands of rows: of what they "
                                                "hand on only one band is there at a time",
                                                change.name, change.bands)});
        break;
      case GraphChange::Kind::kRecompute:
        reasons.push_back({"computed again", fmt::format("{}, for a later reader, instead of "
                                                         "lying there until then",
                                                         change.name)});
        break;
      case GraphChange::Kind::kSpill:
        reasons.push_back({"put away", fmt::format("{}, into a scratch file until a later reader "
                                                   "needs it, which takes less time than to "
                                                   "compute it again, or less memory",
                                                   change.name)});
        break;
      case GraphChange::Kind::kFetchEarlier:
        break;
    }
  }
}

}  // namespace

std::string FormatSeconds(double seconds) {
  struct Unit {
    double size;
    std::string_view name;
  };
  for (const Unit& unit : {Unit{1, "s"}, Unit{1e-3, "ms"}, Unit{1e-6, "us"}}) {
    if (seconds >= 0.9995 * unit.size)
      return fmt::format("{:.3g} {}", seconds / unit.size, unit.name);
  }
  return fmt::format("{:.3g} ns", seconds * 1e9);
}

PassWords WordsOf(const SessionPlan& session) {
  return session.layers ? PassWords{"pass", "passes"} : PassWords{"token", "tokens"};
}

NetView ViewOf(const SessionPlan& session, std::string title) {
  const PlanDetails& details = *session.details;
  NetView view{.net = details.model.net,
               .planned = details.planned,
               .title = std::move(title),
               .budget_bytes = session.budget_bytes,
               .areas = session.plan.buffers,
               .memory_begins = {0, session.plan.memory.arena_bytes},
               .reasons = details.reasons};
  FindKinds(details.model, view);
  for (const Component& component : session.report.components) {
    if (!component.held_by_arena) view.held.push_back({component.name, component.bytes});
  }
  view.summary = {
      {"budget", FormatByteSize(session.budget_bytes)},
      {"peak", FormatByteSize(session.report.predicted_peak_bytes)},
      {"least budget", FormatByteSize(session.report.least_budget_bytes)},
      {"speed", fmt::format("{:.3g} {}/s", session.report.predicted_tokens_per_second,
                            WordsOf(session).many)},
      {"weights that stay", FormatByteSize(session.plan.resident_bytes)},
      {fmt::format("read per {}", WordsOf(session).one),
       FormatByteSize(session.plan.streamed_read_bytes)},
  };
  for (const auto& lines : {DescribeChanges(session), DescribePass(session)}) {
    view.summary.insert(view.summary.end(), lines.begin(), lines.end());
  }
  AddChanges(session, view.reasons);
  return view;
}

namespace {

// How many there are, how many would let every queue run as far ahead as it can, how few would do
// in more time, and the bound for any order.
std::string SyncsText(const PlannedNet& planned) {
  const uint64_t own = planned.syncs.value;
  std::string out = std::to_string(own);
  for (const SyncPoint& point : planned.sync_curve) {
    const double longer = point.makespan / planned.simulation.makespan - 1;
    if (point.syncs > own && longer < 1e-6)
      out += fmt::format("; {} in the same time", point.syncs);
    if (point.syncs < own && longer >= 5e-4)
      out += fmt::format("; {} in {:.1f} % more time", point.syncs, 100 * longer);
  }
  return out + fmt::format("; in any order at least {}", planned.syncs.lower_bound);
}

std::string PeakText(const Bounded& peak) {
  const std::string bytes = FormatByteSize(peak.value);
  if (peak.optimal()) return fmt::format("{}, the least in this order", bytes);
  return fmt::format("{}, at least {} in this order", bytes, FormatByteSize(peak.lower_bound));
}

// Each value goes once to where it is needed: with these places there is no less.
std::string MovesText(const PlanDetails& details) {
  uint64_t count = 0, bytes = 0;
  for (size_t i = 0; i < details.model.work.size(); ++i) {
    if (!std::holds_alternative<step::Move>(details.model.work[i])) continue;
    ++count;
    bytes += details.model.net.ops[i].moved_bytes;
  }
  return fmt::format("{} of {} in all, the least on these places", count, FormatByteSize(bytes));
}

}  // namespace

std::string_view NameOf(GraphChange::Kind kind) {
  return std::ranges::find(kChangeKinds, kind, &std::pair<GraphChange::Kind, const char*>::first)
      ->second;
}

std::vector<std::pair<std::string, std::string>> DescribeChanges(const SessionPlan& session) {
  std::vector<std::pair<std::string, std::string>> out;
  if (!session.layers) return out;
  std::string bands, again, away;
  const auto add = [](std::string& list, const std::string& item) {
    if (list.find(item) == std::string::npos) list += (list.empty() ? "" : ", ") + item;
  };
  for (const GraphChange& change : session.layers->changes) {
    if (change.kind == GraphChange::Kind::kBands) {
      add(bands, fmt::format("{} in {}", change.name, change.bands));
    } else if (change.kind == GraphChange::Kind::kRecompute) {
      add(again, change.name);
    } else if (change.kind == GraphChange::Kind::kSpill) {
      add(away, change.name);
    }
  }
  if (!bands.empty()) out.emplace_back("in bands", bands);
  if (!again.empty()) out.emplace_back("again", again + " (computed twice)");
  if (!away.empty()) {
    out.emplace_back("put away", fmt::format("{} ({} to the disk and {} back per pass)", away,
                                             FormatByteSize(session.report.spilled_bytes),
                                             FormatByteSize(session.report.fetched_bytes)));
  }
  const double more = session.layers->recompute_ratio - 1;
  if (more > 0) out.emplace_back("recomputed", fmt::format("{:.1f} % of a pass", 100 * more));
  return out;
}

std::vector<std::pair<std::string, std::string>> DescribePass(const SessionPlan& session) {
  const PlanDetails& details = *session.details;
  const TaskNet& net = details.model.net;
  const PlannedNet& planned = details.planned;
  const Simulation& simulation = planned.simulation;
  std::vector<std::pair<std::string, std::string>> out = {
      {fmt::format("time per {}", WordsOf(session).one),
       fmt::format("{}, {}", FormatSeconds(simulation.makespan),
                   simulation.makespan <= planned.least_makespan * (1 + 1e-9)
                       ? "as short as the busiest queue allows"
                       : fmt::format("at least {} for the busiest queue",
                                     FormatSeconds(planned.least_makespan)))}};
  for (size_t place = 0; place < net.places.size(); ++place) {
    if (planned.plan.queues[place].empty()) continue;
    out.emplace_back(net.places[place].name,
                     fmt::format("{} of work, waits {}", FormatSeconds(simulation.busy[place]),
                                 FormatSeconds(simulation.stalled[place])));
  }
  out.emplace_back("syncs", SyncsText(planned));
  out.emplace_back("fences", std::to_string(planned.fences.value));
  out.emplace_back("arena", PeakText(planned.peaks[0]));
  if (net.memories.size() > 1) {
    out.emplace_back(net.memories[1].name, PeakText(planned.peaks[1]));
    out.emplace_back("moves", MovesText(details));
  }
  return out;
}

std::string Explain(const NetView& view) {
  std::string out = "Why:\n";
  for (const Reason& reason : view.reasons) {
    out += fmt::format("  {:12} {}\n", reason.choice, reason.text);
  }
  const NetPlan& plan = view.planned.plan;
  const SyncCauses causes(view);
  // The same for thousands of slices: a few of each kind say it.
  constexpr size_t kShown = 3;
  std::map<std::string, std::vector<std::string>> kinds;
  for (size_t place = 0; place < plan.queues.size(); ++place) {
    for (size_t at = 0; at < plan.queues[place].size(); ++at) {
      const NetCommand& command = plan.queues[place][at];
      for (size_t i = 0; i < command.syncs.size(); ++i) {
        const NetSync& sync = command.syncs[i];
        const std::string cause = causes.Text(PlaceId(place), at, i);
        const PlaceId other = plan.fences[sync.fence].place;
        kinds[fmt::format("{} waits for {}, {}", view.net.places[place].name,
                          view.net.place(other).name, cause.substr(0, cause.find_first_of(" :")))]
            .push_back(fmt::format("{} {}: {} waits for {}{}; {}", view.net.places[place].name, at,
                                   view.net.op(command.op).name, FenceText(view, sync.fence),
                                   sync.distance == 0 ? "" : " in the pass before", cause));
      }
    }
  }
  out +=
      fmt::format("\nSyncs ({} per pass, {}):\n", plan.syncs(), "no time would be saved by more");
  for (const auto& [kind, lines] : kinds) {
    out += fmt::format("  {} x {}\n", lines.size(), kind);
    for (size_t i = 0; i < std::min(kShown, lines.size()); ++i) out += "    " + lines[i] + "\n";
    if (lines.size() > kShown) out += "    ... (--emit json has all)\n";
  }
  return out;
}

}  // namespace tinyai
