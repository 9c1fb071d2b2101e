#include "program/certify.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "program/loop_bounds.h"
#include "solve/sync_two_places.h"

namespace tinyai {
namespace {

using Edge = SyncNet::Edge;

Edge EdgeOf(const NetNeed& need) {
  return {static_cast<uint32_t>(need.earlier), static_cast<uint32_t>(need.later)};
}

// A point where the user wrote a fence or a sync.
bool IsWait(const NetWork& work) {
  const auto* mark = std::get_if<work::Mark>(&work);
  return mark != nullptr && !mark->frees;
}

// Whether an op computes what nobody wrote as a statement: a condition.
bool IsImplied(const CompiledProgram& compiled, uint32_t op) {
  const auto* evaluate = std::get_if<work::Evaluate>(&compiled.work[op]);
  if (evaluate == nullptr) return false;
  const Eval& eval = compiled.program.eval(evaluate->eval);
  return eval.kind == Eval::Kind::kCompute && !eval.outs.empty() &&
         compiled.program.def(eval.outs[0]).implied;
}

// What ops need of each other, with the marks of fences and syncs left out: who stood in front of
// one comes before who stood behind it.
std::vector<Edge> WithoutMarks(const CompiledProgram& compiled, const std::vector<Edge>& edges) {
  const auto is_mark = [&](uint32_t op) { return IsWait(compiled.work[op]); };
  const bool marked = std::any_of(compiled.work.begin(), compiled.work.end(), IsWait);
  if (!marked) return edges;
  std::vector<std::vector<uint32_t>> after(compiled.net.ops.size());
  for (const Edge& edge : edges) {
    if (is_mark(edge.from)) after[edge.from].push_back(edge.to);
  }
  std::vector<Edge> out;
  std::vector<uint32_t> stack;
  std::vector<uint32_t> seen(compiled.net.ops.size(), ~uint32_t{0});
  for (const Edge& edge : edges) {
    if (is_mark(edge.from)) continue;
    stack = {edge.to};
    while (!stack.empty()) {
      const uint32_t to = stack.back();
      stack.pop_back();
      if (!is_mark(to)) {
        out.push_back({edge.from, to});
        continue;
      }
      if (std::exchange(seen[to], edge.from) == edge.from) continue;
      stack.insert(stack.end(), after[to].begin(), after[to].end());
    }
  }
  return out;
}

// Of all needs those of data and effects, and what orders ops across places; not in which order the
// lines of one place stand, nor the user's syncs.
std::vector<Edge> MeantEdges(const CompiledProgram& compiled, const std::vector<NetNeed>& needs) {
  const TaskNet& net = compiled.net;
  const std::vector<PlaceId>& place_of = compiled.details.place_of;
  const size_t syncs = needs.size() - net.fixed_syncs.size();  // which come last
  const size_t orders = syncs - net.orders.size();             // which come before them
  std::vector<Edge> out;
  out.reserve(orders);
  for (size_t i = 0; i < syncs; ++i) {
    const NetNeed& need = needs[i];
    const bool by_user = i >= orders && net.orders[i - orders].kind == NetOrder::Kind::kUser;
    const bool meant = !by_user || (place_of[Index(need.earlier)] != place_of[Index(need.later)] &&
                                    !IsWait(compiled.work[Index(need.earlier)]) &&
                                    !IsWait(compiled.work[Index(need.later)]));
    if (meant && need.distance == 0) out.push_back(EdgeOf(need));
  }
  return out;
}

// "output z" for "output z@join": what stands behind the @ is how a compiler tells values apart.
std::string PlainName(std::string name) {
  for (size_t at = 0; (at = name.find('@')) != std::string::npos;) {
    size_t end = at + 1;
    while (end < name.size() && (std::isalnum(static_cast<unsigned char>(name[end])) != 0 ||
                                 name[end] == '_' || name[end] == '\'')) {
      ++end;
    }
    name.erase(at, end - at);
  }
  return name;
}

// At most two places: theorem 1 says how few syncs there can be, and shows paths that prove it.
void FindWitness(const CompiledProgram& compiled, Certificate& out) {
  const std::vector<PlaceId>& place_of = compiled.details.place_of;
  SyncNet net;
  std::vector<uint32_t> used(compiled.net.places.size(), ~uint32_t{0});
  for (const PlaceId place : place_of) {
    if (used[Index(place)] == ~uint32_t{0}) used[Index(place)] = net.places++;
    net.place.push_back(used[Index(place)]);
  }
  if (net.places > 2) return;
  if (out.syncs.value == 0) {
    out.syncs.lower_bound = out.fences.lower_bound = 0;
    return;
  }
  net.places = 2;
  // What ops need of each other whatever the text lists in which order says the same of the
  // completed text; the order of lines counts only where it explains more, and the user's own syncs
  // only where the ops alone do not explain them.
  const std::vector<NetNeed> needs = Needs(compiled.net);
  SyncNet meant = net;
  meant.edges = MeantEdges(compiled, needs);
  TwoPlaceSyncs exact = SolveTwoPlaces(meant);
  if (exact.syncs < out.syncs.value) {
    for (const NetNeed& need : needs) {
      if (need.distance == 0) net.edges.push_back(EdgeOf(need));
    }
    SyncNet bare = net;
    bare.edges = WithoutMarks(compiled, net.edges);
    for (const SyncNet* const more : {&bare, &net}) {
      TwoPlaceSyncs other = SolveTwoPlaces(*more);
      if (other.syncs > exact.syncs) exact = std::move(other);
      if (exact.syncs >= out.syncs.value) break;
    }
  }
  // What the user wrote proves more to them than a condition that has no name, if it proves as
  // much.
  if (!compiled.program.branches.empty()) {
    std::erase_if(meant.edges, [&](const Edge& edge) {
      return IsImplied(compiled, edge.from) || IsImplied(compiled, edge.to);
    });
    TwoPlaceSyncs written = SolveTwoPlaces(meant);
    if (written.syncs == exact.syncs) exact = std::move(written);
  }
  out.syncs.lower_bound = exact.syncs;
  out.fences.lower_bound = exact.syncs == 0 ? 0 : exact.syncs;
  for (const std::vector<uint32_t>& path : exact.witness) {
    std::vector<std::string> names;
    for (size_t i = 0; i < path.size(); ++i) {
      const NetWork& work = compiled.work[path[i]];
      if (IsWait(work)) continue;
      // Where the path crosses, and its ends.
      const bool ends = i == 0 || i + 1 == path.size();
      const bool crosses = !ends && (net.place[path[i]] != net.place[path[i - 1]] ||
                                     net.place[path[i]] != net.place[path[i + 1]]);
      if (!ends && !crosses) continue;
      // What moves a value stands for it.
      const auto* move = std::get_if<work::Move>(&work);
      std::string name = PlainName(move != nullptr ? compiled.program.def(move->def).name
                                                   : compiled.net.ops[path[i]].name);
      if (names.empty() || names.back() != name) names.push_back(std::move(name));
    }
    constexpr size_t kMostShown = 9;
    if (names.size() > kMostShown) {
      names.erase(names.begin() + kMostShown / 2, names.end() - kMostShown / 2);
      names.insert(names.begin() + kMostShown / 2, "..");
    }
    if (exact.syncs != 0) out.witness.push_back(std::move(names));
  }
}

// Outer loops first.
void BoundLoops(const CompiledProgram& compiled, Certificate& out) {
  for (const CompiledProgram& body : compiled.bodies) {
    out.loops.push_back(BoundLoop(body));
    BoundLoops(body, out);
  }
}

// One turn is like no loop; of several, no schedule has fewer syncs than the circle.
bool LoopsAreOptimal(const CompiledProgram& compiled) {
  return std::all_of(compiled.bodies.begin(), compiled.bodies.end(), [](const auto& body) {
    const Certificate::LoopFigures loop = BoundLoop(body);
    const auto syncs = static_cast<double>(loop.syncs);
    const bool least = syncs <= loop.lower_bound * static_cast<double>(loop.window) + 1e-9 ||
                       (body.net.iterations == 1 && body.details.syncs.optimal());
    return least && LoopsAreOptimal(body);
  });
}

}  // namespace

Certificate Certify(const CompiledProgram& compiled, const NetObjective& objective) {
  Certificate out;
  const PlannedNet& details = compiled.details;
  out.syncs = details.syncs;
  out.fences = details.fences;
  out.moved_bytes = details.moved_bytes;
  for (size_t i = 0; i < details.peaks.size(); ++i) {
    out.peaks.push_back({compiled.net.memories[i].name, details.peaks[i]});
  }
  out.makespan = details.simulation.makespan;
  out.least_makespan = details.least_makespan;
  FindWitness(compiled, out);
  BoundLoops(compiled, out);
  out.counting = objective.counting;
  if (out.counting != NetObjective::Counting::kStatic) {
    out.counted = compiled.figures;
    return out;
  }
  using Term = NetObjective::Term;
  const bool weighed = !objective.terms.empty() && objective.terms[0].parts.size() != 1;
  if (weighed) return out;
  const Term first = objective.terms.empty() ? Term::kSyncs : objective.terms[0].parts[0].term;
  switch (first) {
    case Term::kSyncs:
      out.optimal = out.syncs.optimal() && out.fences.optimal() && LoopsAreOptimal(compiled);
      break;
    case Term::kFences:
      out.optimal = out.fences.optimal();
      break;
    case Term::kMakespan:
      out.optimal = out.makespan <= out.least_makespan * (1 + 1e-9);
      break;
    case Term::kPeak:
      out.optimal = std::all_of(out.peaks.begin(), out.peaks.end(),
                                [](const Certificate::Peak& peak) { return peak.bytes.optimal(); });
      break;
    case Term::kMovedBytes:
      out.optimal = out.moved_bytes == 0;
      break;
    case Term::kRecomputed:
      out.optimal = std::none_of(compiled.work.begin(), compiled.work.end(), [](const auto& work) {
        const auto* evaluate = std::get_if<work::Evaluate>(&work);
        return evaluate != nullptr && evaluate->again;
      });
      break;
  }
  // Of what loops do but syncs nothing is proved.
  if (first != Term::kSyncs) out.optimal = out.optimal && compiled.bodies.empty();
  return out;
}

}  // namespace tinyai
