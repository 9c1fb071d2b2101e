#include "program/order_lines.h"

#include <algorithm>
#include <deque>
#include <map>

#include "fmt/format.h"

namespace tinyai {
namespace {

using LineKind = WishedLine::Kind;

struct Edge {
  enum class Kind : uint8_t { kNeed, kText, kSync };
  NetOpId from{}, to{};
  Kind kind = Kind::kNeed;
  uint32_t detail = 0;  // kText: the later line; kSync: into fixed_syncs
};

// What comes before what: needs, syncs, and the order of the text.
// `across`: between places too, as blocks follow each other.
std::vector<Edge> AllEdges(const Wishes& wishes, const TaskNet& net, bool across) {
  std::vector<Edge> out;
  std::vector<NetNeed> needs = Needs(net);
  needs.resize(needs.size() - net.fixed_syncs.size());  // which come last
  std::erase_if(needs, [](const NetNeed& need) { return need.distance != 0; });
  JoinGangs(net, needs);
  for (const NetNeed& need : needs) out.push_back({need.earlier, need.later});
  for (uint32_t i = 0; i < net.fixed_syncs.size(); ++i) {
    const NetFixedSync& sync = net.fixed_syncs[i];
    if (sync.distance == 0) out.push_back({sync.recorder, sync.waiter, Edge::Kind::kSync, i});
  }
  std::map<uint32_t, NetOpId> gangs;  // their first ops
  for (size_t i = 0; i < net.ops.size(); ++i) {
    if (net.ops[i].gang != 0) gangs.try_emplace(net.ops[i].gang, NetOpId(i));
  }
  const auto joined = [&](NetOpId op) {
    return net.op(op).gang == 0 ? op : gangs.at(net.op(op).gang);
  };
  std::vector<std::optional<NetOpId>> last(across ? 1 : net.places.size());
  for (uint32_t i = 0; i < wishes.lines.size(); ++i) {
    const NetOps& ops = wishes.lines[i].ops;
    // All of a loop begins where it is listed first.
    if (across && joined(ops.front()) != ops.front()) continue;
    for (size_t j = 1; j < ops.size(); ++j) {
      out.push_back({ops[j - 1], ops[j], Edge::Kind::kText, i});
    }
    std::optional<NetOpId>& before = last[across ? 0 : Index(wishes.lines[i].place)];
    if (before) out.push_back({joined(*before), joined(ops.front()), Edge::Kind::kText, i});
    before = ops.back();
  }
  return out;
}

// Whether needs and the text lead from each op to later ones of the program, as they do where
// nobody wrote a fence or print: then there is no cycle.
bool FollowsProgram(const Wishes& wishes, const TaskNet& net) {
  std::optional<NetOpId> last;
  for (const WishedLine& line : wishes.lines) {
    for (const NetOpId op : line.ops) {
      if (last && *last >= op) return false;
      last = op;
    }
  }
  if (std::any_of(net.ops.begin(), net.ops.end(), [](const NetOp& op) { return op.gang != 0; })) {
    return false;  // they count as one
  }
  if (net.loops) return false;
  const auto forward = [](const auto& one) { return one.earlier < one.later; };
  if (!std::all_of(net.orders.begin(), net.orders.end(), forward) || !net.fixed_syncs.empty()) {
    return false;
  }
  std::vector<bool> there(net.values.size());
  for (size_t i = 0; i < there.size(); ++i) there[i] = net.values[i].given;
  for (const NetOp& op : net.ops) {
    bool good =
        std::all_of(op.ins.begin(), op.ins.end(), [&](NetValueId in) { return there[Index(in)]; });
    EachCondition(net, op.region, [&](NetValueId id) { good = good && there[Index(id)]; });
    if (!good) return false;
    for (const NetValueId out : op.outs) there[Index(out)] = true;
  }
  return true;
}

// The ops that lie on or behind a cycle.
std::vector<bool> Left(const std::vector<Edge>& edges, size_t ops) {
  std::vector<uint32_t> missing(ops, 0), first(ops + 1, 0);
  for (const Edge& edge : edges) {
    ++missing[Index(edge.to)];
    ++first[Index(edge.from) + 1];
  }
  for (size_t i = 0; i < ops; ++i) first[i + 1] += first[i];
  std::vector<uint32_t> next(first.begin(), first.end() - 1), to(edges.size());
  for (const Edge& edge : edges) {
    to[next[Index(edge.from)]++] = static_cast<uint32_t>(Index(edge.to));
  }
  std::vector<uint32_t> ready;
  for (uint32_t i = 0; i < ops; ++i) {
    if (missing[i] == 0) ready.push_back(i);
  }
  std::vector<bool> left(ops, true);
  while (!ready.empty()) {
    const uint32_t op = ready.back();
    ready.pop_back();
    left[op] = false;
    for (uint32_t i = first[op]; i < first[op + 1]; ++i) {
      if (--missing[to[i]] == 0) ready.push_back(to[i]);
    }
  }
  return left;
}

// The shortest way from `begin` to `end` by edges between ops that are left; as edges, in order.
std::vector<size_t> ShortestPath(const std::vector<Edge>& edges,
                                 const std::vector<std::vector<size_t>>& after, NetOpId begin,
                                 NetOpId end) {
  constexpr size_t kNone = ~size_t{0};
  std::vector<size_t> came(after.size(), kNone);
  std::deque<NetOpId> queue = {begin};
  std::vector<bool> seen(after.size(), false);
  seen[Index(begin)] = true;
  while (!queue.empty() && !seen[Index(end)]) {
    const NetOpId at = queue.front();
    queue.pop_front();
    for (const size_t i : after[Index(at)]) {
      const NetOpId to = edges[i].to;
      if (seen[Index(to)]) continue;
      seen[Index(to)] = true;
      came[Index(to)] = i;
      queue.push_back(to);
    }
  }
  std::vector<size_t> path;
  for (NetOpId at = end; at != begin; at = edges[path.back()].from) {
    if (came[Index(at)] == kNone) return {};
    path.push_back(came[Index(at)]);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

class CycleReport {
 public:
  CycleReport(const Wishes& wishes, const Program& program, const Devices& devices,
              const SourceText& values, const ProgramNet& net, bool across, Diagnostics& out)
      : wishes_(wishes),
        program_(program),
        devices_(devices),
        values_(values),
        net_(net),
        out_(out),
        edges_(AllEdges(wishes, net.net, across)) {}

  // False if there is no cycle.
  bool Run() {
    const size_t ops = net_.net.ops.size();
    const std::vector<bool> left = Left(edges_, ops);
    if (std::none_of(left.begin(), left.end(), [](bool l) { return l; })) return false;
    std::vector<std::vector<size_t>> after(ops);
    for (size_t i = 0; i < edges_.size(); ++i) {
      if (left[Index(edges_[i].from)] && left[Index(edges_[i].to)]) {
        after[Index(edges_[i].from)].push_back(i);
      }
    }
    // The shortest of those through an edge of the text; all go through one.
    constexpr size_t kMostTried = 256;
    std::vector<size_t> best;
    size_t tried = 0;
    for (size_t i = 0; i < edges_.size() && tried < kMostTried; ++i) {
      const Edge& edge = edges_[i];
      if (edge.kind != Edge::Kind::kText || !left[Index(edge.from)] || !left[Index(edge.to)]) {
        continue;
      }
      ++tried;
      std::vector<size_t> path = ShortestPath(edges_, after, edge.to, edge.from);
      if (path.empty()) continue;
      path.insert(path.begin(), i);
      if (best.empty() || path.size() < best.size()) best = std::move(path);
    }
    if (best.empty()) {
      ReportBefore(after);
    } else {
      Report(best);
    }
    return true;
  }

 private:
  const std::string& Name(NetOpId op) const { return net_.net.ops[Index(op)].name; }
  std::string At(Span where) const {
    const Position at = out_.source().At(where.begin);
    return fmt::format("{}:{}", at.line, at.column);
  }
  bool IsMark(NetOpId op) const { return std::holds_alternative<work::Mark>(net_.work[Index(op)]); }
  bool IsInput(NetOpId op) const { return net_.net.ops[Index(op)].effect == NetEffect::kInput; }
  Span WhereOf(NetOpId op) const {
    const auto line = wishes_.line_of[Index(op)];
    return line ? wishes_.lines[*line].where : Span{};
  }

  // I3 without any block: the shortest cycle through what 'before' asks for.
  void ReportBefore(const std::vector<std::vector<size_t>>& after) {
    const Wishes::Before* blamed = nullptr;
    std::vector<std::string_view> way;
    for (const Wishes::Before& before : wishes_.befores) {
      const std::vector<size_t> path = ShortestPath(edges_, after, before.second, before.first);
      const bool none = path.empty() && before.first != before.second;
      if (none || (blamed != nullptr && path.size() + 1 >= way.size())) continue;
      blamed = &before;
      way = {Name(before.second)};
      for (const size_t edge : path) way.push_back(Name(edges_[edge].to));
    }
    if (blamed == nullptr) blamed = &wishes_.befores[0];
    if (blamed->first == blamed->second) {
      out_.Error("I3", blamed->where,
                 fmt::format("'{}' cannot be complete before it starts", Name(blamed->first)))
          .Help("delete the 'before'");
      return;
    }
    out_.Error("I3", blamed->where,
               fmt::format("cycle: {} before {} ({}), {} (data and orders)", Name(blamed->first),
                           Name(blamed->second), At(blamed->where), fmt::join(way, " -> ")))
        .Help("delete the 'before'");
  }

  // The first and the last op of each stretch of the text in the cycle.
  struct Stretch {
    NetOpId first{}, last{};
    bool text = false;  // else by needs and syncs
    std::vector<NetOpId> ops;
  };
  std::vector<Stretch> Stretches(const std::vector<size_t>& cycle) const {
    std::vector<Stretch> out;
    for (const size_t i : cycle) {
      const Edge& edge = edges_[i];
      const bool text = edge.kind == Edge::Kind::kText;
      if (out.empty() || out.back().text != text) {
        out.push_back({edge.from, edge.to, text, {edge.from}});
      }
      out.back().last = edge.to;
      out.back().ops.push_back(edge.to);
    }
    if (out.size() > 1 && out.front().text && out.back().text) {  // one, cut in two
      out.front().first = out.back().first;
      out.front().ops.insert(out.front().ops.begin(), out.back().ops.begin(),
                             out.back().ops.end() - 1);
      out.pop_back();
    }
    return out;
  }

  void Report(const std::vector<size_t>& cycle) {
    const std::vector<Stretch> stretches = Stretches(cycle);
    bool syncs = false, data = false, inputs = true, closed = true;
    const Edge* sync = nullptr;
    for (const size_t i : cycle) {
      const Edge& edge = edges_[i];
      if (edge.kind == Edge::Kind::kSync) {
        syncs = true;
        sync = &edge;
      }
      if (edge.kind == Edge::Kind::kText) {
        closed = closed && wishes_.lines[edge.detail].closed;
      } else if (edge.kind == Edge::Kind::kNeed) {
        data = true;
        inputs = inputs && IsInput(edge.from) && IsInput(edge.to);
      }
    }
    const auto text = std::find_if(stretches.begin(), stretches.end(),
                                   [](const Stretch& stretch) { return stretch.text; });
    if (data && inputs && !syncs) return ReportInputs(*text);
    for (const size_t i : cycle) {
      if (edges_[i].kind == Edge::Kind::kNeed && ReportBranch(edges_[i], stretches)) return;
    }
    if (syncs && data) return ReportFence(stretches, *sync);
    ReportOrder(stretches, *text, closed);
  }

  // I11
  void ReportInputs(const Stretch& text) {
    const auto eval_where = [&](NetOpId op) -> Span {
      const auto& evaluate = std::get<work::Evaluate>(net_.work[Index(op)]);
      return program_.eval(evaluate.eval).where;
    };
    const auto at = [&](NetOpId op) {
      const Position position = values_.At(eval_where(op).begin);
      return fmt::format("{} at {}:{}", Name(op), position.line, position.column);
    };
    std::string fence;
    const uint32_t from = wishes_.line_of[Index(text.first)].value_or(0);
    const uint32_t to = wishes_.line_of[Index(text.last)].value_or(0);
    for (uint32_t i = from; i < to; ++i) {
      if (wishes_.lines[i].kind == LineKind::kFence) fence = *wishes_.lines[i].fence;
    }
    out_.Error("I11", WhereOf(text.last),
               fmt::format("inputs are read in program order ({}, {}); {} {} first", at(text.last),
                           at(text.first),
                           fence.empty() ? std::string("the text lists")
                                         : fmt::format("fence '{}' forces", fence),
                           Name(text.first)))
        .NoteAt(WhereOf(text.first), fmt::format("'{}' is to come first", Name(text.first)))
        .NoteIn(values_, eval_where(text.last), fmt::format("'{}' is read first", Name(text.last)))
        .Help(fmt::format("list '{}' after '{}'", Name(text.first), Name(text.last)));
  }

  // I13, where an arm is in the way of its own condition, which lies where nobody can branch.
  bool ReportBranch(const Edge& need, const std::vector<Stretch>& stretches) {
    const NetOp &maker = net_.net.op(need.from), &guarded = net_.net.op(need.to);
    std::optional<NetValueId> condition;
    EachCondition(net_.net, guarded.region, [&](NetValueId value) {
      const bool made = std::find(maker.outs.begin(), maker.outs.end(), value) != maker.outs.end();
      if (made) condition = value;
    });
    if (!condition || maker.choices.size() != 1) return false;
    const Devices::Place& place = devices_.places[Index(maker.choices[0].place)];
    if (place.branching != Devices::Branching::kNone) return false;
    NetOpId line = need.to;  // of the arm, as listed
    for (const Stretch& stretch : stretches) {
      if (stretch.text && !IsMark(stretch.first)) line = stretch.first;
    }
    const Def& def = program_.def(net_.def_of[Index(*condition)]);
    out_.Error("I13", WhereOf(line),
               fmt::format("condition '{}' lives on {}, which cannot branch, and user order "
                           "forbids a sync before line {}",
                           def.name, place.name, out_.source().At(WhereOf(line).begin).line))
        .NoteAt(WhereOf(need.from), fmt::format("'{}' stands here", def.name))
        .NoteIn(values_, def.where, "the condition")
        .Help(fmt::format("list '{}' in front of the arm, or compute it where the branch is",
                          def.name));
    return true;
  }

  // I5
  void ReportFence(const std::vector<Stretch>& stretches, const Edge& sync) {
    // The op that comes after the wait, and who needs it before the fence.
    const uint32_t line = *wishes_.line_of[Index(sync.from)];
    const std::string& fence = *wishes_.lines[line].fence;
    NetOpId late = stretches[0].first, early = stretches[0].last;
    for (const Stretch& stretch : stretches) {
      if (stretch.text || IsMark(stretch.first)) continue;
      late = stretch.first;
      early = stretch.last;
    }
    out_.Error("I5", WhereOf(early).end != 0 ? WhereOf(early) : WhereOf(sync.from),
               fmt::format("'{}' is needed by '{}' before fence '{}' but user order puts '{}' "
                           "after it",
                           Name(late), Name(early), fence, Name(late)))
        .NoteAt(wishes_.lines[line].where, "the fence")
        .NoteAt(WhereOf(late), fmt::format("'{}' stands here", Name(late)))
        .Help(fmt::format("list '{}' after the fence, or '{}' before the sync", Name(early),
                          Name(late)));
  }

  // I3, or I16 where only closed blocks are to blame.
  void ReportOrder(const std::vector<Stretch>& stretches, const Stretch& text, bool closed) {
    std::string parts;
    for (const Stretch& stretch : stretches) {
      if (!parts.empty()) parts += ", ";
      if (stretch.text) {
        const PlaceId place = wishes_.lines[*wishes_.line_of[Index(stretch.last)]].place;
        const bool same = wishes_.lines[*wishes_.line_of[Index(stretch.first)]].place == place;
        parts +=
            fmt::format("{} before {} ({} {} < {})", Name(stretch.first), Name(stretch.last),
                        same ? fmt::format("{} block order", net_.net.places[Index(place)].name)
                             : "order of the text",
                        At(WhereOf(stretch.first)), At(WhereOf(stretch.last)));
        continue;
      }
      std::vector<std::string_view> names;
      for (const NetOpId op : stretch.ops) names.push_back(Name(op));
      constexpr size_t kMostShown = 6;
      if (names.size() > kMostShown) {
        names.erase(names.begin() + 3, names.end() - 1);
        names.insert(names.begin() + 3, "..");
      }
      parts += fmt::format("{} (data)", fmt::join(names, " -> "));
    }
    out_.Error(closed ? "I16" : "I3", WhereOf(text.last), fmt::format("cycle: {}", parts))
        .NoteAt(WhereOf(text.first), fmt::format("'{}' is to come first", Name(text.first)))
        .Help(fmt::format("list '{}' after '{}': swap the blocks or lines", Name(text.first),
                          Name(text.last)));
  }

  const Wishes& wishes_;
  const Program& program_;
  const Devices& devices_;
  const SourceText& values_;
  const ProgramNet& net_;
  Diagnostics& out_;
  const std::vector<Edge> edges_;
};

}  // namespace

bool OrderLines(const Wishes& wishes, const Program& program, const Devices& devices,
                const SourceText& values, ProgramNet& net, Diagnostics& out) {
  if (wishes.lines.empty() && wishes.befores.empty()) return true;
  if (!FollowsProgram(wishes, net.net)) {
    for (const bool across : {false, true}) {
      if (across && net.loop) continue;  // its places go round at the same time
      if (CycleReport(wishes, program, devices, values, net, across, out).Run()) return false;
    }
  }
  std::vector<std::optional<NetOpId>> last(net.net.places.size());
  for (const WishedLine& line : wishes.lines) {
    for (const NetOpId op : line.ops) {
      std::optional<NetOpId>& before = last[Index(line.place)];
      if (before) net.net.orders.push_back({*before, op, NetOrder::Kind::kUser, 0});
      before = op;
    }
  }
  return true;
}

}  // namespace tinyai
