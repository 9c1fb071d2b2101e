#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "fmt/format.h"
#include "lang/nearest_name.h"
#include "lang/number.h"
#include "lang/print_schedule.h"
#include "program/read_objective.h"
#include "program/report_waits.h"
#include "program/resolve_ref.h"
#include "program/wishes.h"

namespace tinyai {
namespace {

using Kind = WishedLine::Kind;

class WishReader {
 public:
  WishReader(const Program& program, const Devices& devices, const SourceText& values,
             ProgramNet& net, Diagnostics& out)
      : program_(program),
        devices_(devices),
        values_(values),
        net_(net),
        out_(out),
        refs_(program, net, values, out),
        gap_open_(devices.places.size(), false) {
    wishes_.open_end.assign(devices.places.size(), true);
    wishes_.has_closed.assign(devices.places.size(), false);
    pending_.resize(devices.places.size());
  }

  Wishes Read(const Schedule& schedule) {
    for (const Item& item : schedule.items) {
      if (const auto* block = std::get_if<Block>(&item.what)) CollectFences(block->commands);
    }
    for (const Item& item : schedule.items) {
      if (out_.full()) break;
      std::visit([&](const auto& what) { Do(what, item.where); }, item.what);
    }
    FinishWaits();
    ReportWaits(wishes_, devices_, written_, early_, out_);
    for (size_t place = 0; place < devices_.places.size(); ++place) {
      wishes_.open_end[place] = gap_open_[place] || !wishes_.has_closed[place];
    }
    wishes_.line_of.resize(net_.net.ops.size());
    return std::move(wishes_);
  }

 private:
  Diagnostic& Wrong(std::string code, Span where, std::string message) {
    return out_.Error(std::move(code), where, std::move(message));
  }
  std::string At(Span where) const {
    const Position at = out_.source().At(where.begin);
    return fmt::format("{}:{}", at.line, at.column);
  }

  // --- fences are known before they are recorded ---

  void CollectFences(const std::vector<Command>& commands) {
    for (const Command& command : commands) {
      if (const auto* block = std::get_if<Block>(&command.what)) CollectFences(block->commands);
      if (const auto* loop = std::get_if<cmd::Loop>(&command.what)) CollectFences(loop->body);
      if (const auto* branch = std::get_if<cmd::If>(&command.what)) {
        CollectFences(branch->then);
        if (branch->otherwise) CollectFences(*branch->otherwise);
      }
      const auto* fence = std::get_if<cmd::Fence>(&command.what);
      if (fence == nullptr) continue;
      const auto [known, added] = written_.try_emplace(fence->name, command.where);
      if (added) continue;
      Wrong("A2", command.where,
            fmt::format("fence '{}' is defined twice ({}, {})", fence->name, At(known->second),
                        At(command.where)))
          .NoteAt(known->second, "defined here before")
          .Help("give one of them another name");
    }
  }

  // --- declarations ---

  void Do(const decl::Placement& placement, Span where) {
    const std::optional<PlaceId> place = FindPlace(placement.place);
    const std::optional<ResolvedRef> ref = refs_.Resolve(placement.ref, RegionId{});
    if (place && ref) Put(*ref, *place, where, false);
  }
  void Do(const decl::Before& before, Span where) {
    const std::optional<ResolvedRef> first = refs_.Resolve(before.first, RegionId{});
    const std::optional<ResolvedRef> second = refs_.Resolve(before.second, RegionId{});
    if (!first || !second) return;
    for (const NetOpId earlier : first->ops) {
      for (const NetOpId later : second->ops) {
        wishes_.befores.push_back({earlier, later, where});
        net_.net.orders.push_back({earlier, later, NetOrder::Kind::kUser, 0});
      }
    }
  }
  void Do(const decl::Budget& budget, Span where) {
    std::vector<std::string_view> known;
    for (size_t i = 0; i < devices_.memories.size(); ++i) {
      const std::string& name = devices_.memories[i].name;
      known.push_back(name);
      if (name != budget.memory && name + ".mem" != budget.memory) continue;
      uint64_t& bytes = net_.net.memories[i].budget_bytes;
      bytes = std::min(bytes, ByteCount(budget.size).value_or(0));
      wishes_.budgets[i] = where;
      return;
    }
    Diagnostic& error =
        Wrong("I7", where,
              fmt::format("no memory '{}' (declared: {})", budget.memory, fmt::join(known, ", ")));
    const std::string near = NearestName(budget.memory, known);
    error.Help(fmt::format("budget {} <= {};", near.empty() ? known[0] : near, budget.size));
  }
  void Do(const decl::Objective& objective, Span) {
    wishes_.objective = ReadObjective(objective.terms, devices_, out_);
  }
  void Do(const decl::Count&, Span) {}
  void Do(const decl::Record& record, Span where) {
    Wrong("I7", where, fmt::format("a schedule of a program has no record '{}'", record.kind))
        .Help("delete it");
  }

  // --- places ---

  std::optional<PlaceId> FindPlace(const Place& place) {
    std::string name = place.name;
    if (!place.index.empty()) name += fmt::format("[{}]", PrintExpr(place.index[0]));
    for (const std::string& queue : place.queues) name += "." + queue;
    if (const auto found = devices_.FindPlace(name)) return PlaceId(*found);
    Diagnostic& error =
        Wrong("I7", place.where,
              fmt::format("no device '{}' (declared: {})", name, devices_.PlaceNames()));
    std::vector<std::string_view> known;
    for (const Devices::Place& one : devices_.places) known.push_back(one.name);
    const std::string near = NearestName(name, known);
    error.Help(near.empty() ? "declare it in a device file: --device FILE"
                            : fmt::format("did you mean '{}'?", near));
    return std::nullopt;
  }
  const std::string& NameOf(PlaceId place) const { return devices_.places[Index(place)].name; }
  std::string EffectPlaces() const {
    std::string out;
    for (const Devices::Place& place : devices_.places) {
      if (place.effects) out += (out.empty() ? "" : " or ") + place.name;
    }
    return out;
  }

  // False if something is wrong.
  bool Put(const ResolvedRef& ref, PlaceId place, Span where, bool listed) {
    for (const NetOpId id : ref.ops) {
      NetOp& op = net_.net.ops[Index(id)];
      const auto [known, added] = placed_.try_emplace(Index(id), PlacedAt{place, where, listed});
      if (!added && (known->second.place != place || (listed && known->second.listed))) {
        ReportTwice(op, ref, known->second, place, where);
        return false;
      }
      known->second.listed = known->second.listed || listed;
      wishes_.placed.try_emplace(Index(id), where);
      if (!CheckCanRun(id, ref, place, where)) return false;
      std::erase_if(op.choices, [&](const NetChoice& choice) { return choice.place != place; });
    }
    return true;
  }

  struct PlacedAt {
    PlaceId place;
    Span where;
    bool listed;
  };
  void ReportTwice(const NetOp& op, const ResolvedRef& ref, const PlacedAt& other, PlaceId place,
                   Span where) {
    if (other.place == place) {
      Wrong("A1", where, fmt::format("'{}' is listed twice", op.name))
          .NoteAt(other.where, "listed here before")
          .Help(fmt::format("delete one, or write 'recompute {};'", ref.text));
      return;
    }
    Wrong("A1", where,
          fmt::format("'{}' is scheduled on both {} ({}) and {} ({})", op.name, NameOf(other.place),
                      At(other.where), NameOf(place), At(where)))
        .NoteAt(other.where, fmt::format("on {} here", NameOf(other.place)))
        .Help(fmt::format("write 'recompute {};' in one of them to duplicate it, or delete one",
                          ref.text));
  }

  bool CheckCanRun(NetOpId id, const ResolvedRef& ref, PlaceId place, Span where) {
    const NetOp& op = net_.net.ops[Index(id)];
    if (op.choice_at(place) != nullptr) return true;
    const auto* evaluate = std::get_if<work::Evaluate>(&net_.work[Index(id)]);
    const Eval& eval = program_.eval(evaluate->eval);
    const std::string fix = fmt::format("move it to a {} block: {} {{ {}; }}", EffectPlaces(),
                                        EffectPlaces(), ref.text);
    if (eval.input || eval.output) {
      Wrong("I1", where,
            fmt::format("'{}' needs {}, which only {} can do", op.name,
                        eval.input ? "input()" : "output", EffectPlaces()))
          .NoteIn(values_, eval.where, "defined here")
          .Help(fix);
      return false;
    }
    std::string what = eval.kind == Eval::Kind::kLoop ? "loop" : op.name;
    for (const ExprNode& node : eval.code) {
      if (node.kind == ExprNode::Kind::kExtern) what = program_.externs[node.index].name;
      if (node.kind == ExprNode::Kind::kClass) what = program_.classes[node.index].name;
      if (node.kind == ExprNode::Kind::kCall) what = program_.functions[node.index].name;
    }
    std::string where_it_can;
    for (const NetChoice& choice : op.choices) {
      where_it_can += (where_it_can.empty() ? "" : " or ") + NameOf(choice.place);
    }
    Wrong("I9", where, fmt::format("op '{}' has no {} implementation", what, NameOf(place)))
        .NoteIn(values_, eval.where, "computed here")
        .Help(where_it_can.empty()
                  ? fmt::format("declare a kernel for it: extern fn {}(..) {{ {}: \"..\"; }}", what,
                                NameOf(place))
                  : fmt::format("move it to a {} block: {} {{ {}; }}", where_it_can,
                                NameOf(op.choices.front().place), ref.text));
    return false;
  }

  // --- blocks ---

  void Do(const Block& block, Span) {
    const std::optional<PlaceId> place = FindPlace(block.place);
    if (!place) return;
    DoBlock(block, *place, RegionId{});
  }
  void DoBlock(const Block& block, PlaceId place, RegionId region) {
    const size_t at = Index(place);
    if (!block.closed) gap_open_[at] = true;
    wishes_.has_closed[at] = wishes_.has_closed[at] || block.closed;
    const bool closed = std::exchange(closed_, block.closed);
    DoAll(block.commands, place, region);
    closed_ = closed;
  }
  void DoAll(const std::vector<Command>& commands, PlaceId place, RegionId region) {
    for (const Command& command : commands) {
      if (out_.full()) return;
      if (!command.attributes.empty()) {
        Wrong("I7", command.attributes.front().where,
              fmt::format("a command of a program has no attribute '{}'",
                          command.attributes.front().name))
            .Help("delete it");
      }
      std::visit([&](const auto& what) { Do(what, place, region, command.where); }, command.what);
    }
  }

  WishedLine& AddLine(Kind kind, PlaceId place, RegionId region, std::vector<NetOpId> ops,
                      Span where) {
    WaitBefore(place);
    const auto number = static_cast<uint32_t>(wishes_.lines.size());
    WishedLine& line = wishes_.lines.emplace_back();
    line.kind = kind;
    line.place = place;
    line.region = region;
    line.ops = std::move(ops);
    line.where = where;
    line.closed = closed_;
    line.open_before = gap_open_[Index(place)];
    gap_open_[Index(place)] = !closed_;
    wishes_.line_of.resize(net_.net.ops.size());
    for (const NetOpId op : line.ops) wishes_.line_of[Index(op)] = number;
    return line;
  }

  void Do(const Block& block, PlaceId, RegionId region, Span) {
    const std::optional<PlaceId> place = FindPlace(block.place);
    if (place) DoBlock(block, *place, region);
  }
  void Do(const cmd::Hole&, PlaceId place, RegionId, Span) { gap_open_[Index(place)] = true; }

  void Do(const cmd::Work& work, PlaceId place, RegionId region, Span where) {
    switch (work.verb) {
      case cmd::Verb::kEvaluate: {
        const std::optional<ResolvedRef> ref = refs_.Resolve(work.ref, region);
        if (ref && Put(*ref, place, where, true)) {
          AddLine(Kind::kEvaluate, place, region, ref->ops, where);
        }
        return;
      }
      case cmd::Verb::kRecompute:
      case cmd::Verb::kLoad:
      case cmd::Verb::kPrefetch:
      case cmd::Verb::kEvict:
      case cmd::Verb::kPin:
      case cmd::Verb::kFree:
        Wrong("I9", where,
              fmt::format("'{}' is not known for values of programs", out_.source().Slice(where)))
            .Help("delete it: the compiler keeps values as long as they are needed");
        return;
    }
  }
  void Do(const cmd::Move&, PlaceId, RegionId, Span where) {
    Wrong("I9", where, "values of programs are moved where they are needed").Help("delete it");
  }

  void Do(const cmd::Print& print, PlaceId place, RegionId region, Span where) {
    if (!net_.net.places[Index(place)].effects) {
      Wrong("I2", where, fmt::format("print is a {} side effect", EffectPlaces()))
          .Help(fmt::format("move it to a {} block, the compiler will sync what it prints",
                            EffectPlaces()));
      return;
    }
    std::vector<DefId> defs;
    for (const Ref& ref : print.refs) {
      const std::optional<DefId> def = refs_.ResolveValue(ref, region);
      if (!def) return;
      defs.push_back(*def);
    }
    const NetOpId op = net_.AddPrint(program_, std::move(defs), place, region);
    AddLine(Kind::kPrint, place, region, {op}, where);
  }

  void Do(const cmd::If& branch, PlaceId place, RegionId region, Span where) {
    const std::optional<ResolvedBranch> found = refs_.ResolveBranch(branch, region, where);
    if (!found) return;
    wishes_.conditions.try_emplace(found->branch, branch.condition);
    DoAll(branch.then, place, found->then);
    if (branch.otherwise) DoAll(*branch.otherwise, place, found->otherwise);
  }

  // The iterations of an unrolled loop, one after the other.
  void Do(const cmd::Loop& loop, PlaceId place, RegionId region, Span where) {
    const std::vector<std::string> iterations = refs_.Iterations(loop.name);
    if (iterations.empty()) {
      Wrong("I7", where, fmt::format("the program has no loop '{}'", loop.name))
          .Help("a loop is called by the name of its index");
      return;
    }
    for (const std::string& iteration : iterations) {
      refs_.Enter(iteration);
      DoAll(loop.body, place, region);
      refs_.Leave();
    }
  }

  // --- fences and syncs ---

  void Do(const cmd::Fence& fence, PlaceId place, RegionId region, Span where) {
    const auto written = written_.find(fence.name);
    if (written->second.begin != where.begin) return;  // a second one of this name
    if (refs_.IsValue(fence.name)) {
      Wrong("A3", where, fmt::format("'{}' is a value, it cannot be a fence", fence.name))
          .Help("give the fence another name");
      return;
    }
    const NetOpId mark = net_.AddMark(place, region, "fence " + fence.name);
    net_.net.fixed_fences.push_back(mark);
    WishedLine& line = AddLine(Kind::kFence, place, region, {mark}, where);
    line.fence = fence.name;
    wishes_.fences[fence.name] = {mark, place, region,
                                  static_cast<uint32_t>(wishes_.lines.size() - 1), where};
  }

  void Do(const cmd::Sync& sync, PlaceId place, RegionId region, Span where) {
    std::vector<const Wishes::Fence*> targets;
    std::vector<std::string> names;
    bool hand_off = false;
    for (const cmd::Sync::Target& target : sync.targets) {
      Wishes::Fence* fence = FindFence(target, place);
      if (fence == nullptr || !CheckReached(*fence, target, region)) return;
      if (target.distance != 0) {
        Wrong("I9", target.where, "only loops without end look back an iteration");
        return;
      }
      fence->waited_for = true;
      hand_off = hand_off || fence->place == place;
      targets.push_back(fence);
      names.push_back(target.fence);
    }
    if (hand_off) {
      if (targets.size() > 1) {
        Wrong("I9", where, "a block hands on one fence at a time").Help("write two syncs");
        return;
      }
      HandOff(*targets[0], names[0], place, region, where);
      return;
    }
    const NetOpId mark = net_.AddMark(place, region, "sync(" + Joined(names) + ")");
    for (size_t i = 0; i < targets.size(); ++i) {
      if (!CheckStale(*targets[i], sync.targets[i], place, region)) return;
      net_.net.fixed_syncs.push_back({targets[i]->mark, mark});
    }
    AddLine(Kind::kSync, place, region, {mark}, where).fences = names;
  }
  static std::string Joined(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
    return out;
  }

  // In the block of the place that recorded it: what is issued later at other places waits.
  void HandOff(const Wishes::Fence& fence, const std::string& name, PlaceId place, RegionId region,
               Span where) {
    const NetOpId mark = net_.AddMark(place, region, "sync(" + name + ")");
    AddLine(Kind::kHandOff, place, region, {mark}, where).fences = {name};
    for (size_t other = 0; other < devices_.places.size(); ++other) {
      if (PlaceId(other) == place) continue;
      std::vector<Pending>& pending = pending_[other];
      std::erase_if(pending, [&](const Pending& one) { return one.fence->place == place; });
      pending.push_back({&fence, name, where});
    }
  }
  struct Pending {
    const Wishes::Fence* fence;
    std::string name;
    Span where;
  };
  // The place goes on: what was handed to it comes first. Of several fences of one place the last
  // says all.
  void WaitBefore(PlaceId place) {
    std::vector<Pending> pending = std::exchange(pending_[Index(place)], {});
    for (const Pending& one : pending) {
      const auto key = std::pair(Index(place), Index(one.fence->place));
      const auto known = synced_.find(key);
      if (known != synced_.end() && known->second.first >= one.fence->line) continue;
      synced_[key] = {one.fence->line, one.fence, RegionId{}, one.where};
      const NetOpId mark = net_.AddMark(place, RegionId{}, "sync(" + one.name + ")");
      net_.net.fixed_syncs.push_back({one.fence->mark, mark});
      taken_.insert(one.name);
      wishes_.line_of.resize(net_.net.ops.size());
      wishes_.line_of[Index(mark)] = static_cast<uint32_t>(wishes_.lines.size());
      WishedLine& line = wishes_.lines.emplace_back();
      line.kind = Kind::kWait;
      line.place = place;
      line.ops = {mark};
      line.fences = {one.name};
      line.where = one.where;
    }
  }
  // What was handed on and nobody listed takes: the places that have something to do then.
  void FinishWaits() {
    for (size_t place = 0; place < pending_.size(); ++place) {
      std::erase_if(pending_[place], [&](const Pending& one) { return taken_.contains(one.name); });
      if (devices_.places[place].effects) WaitBefore(PlaceId(place));
    }
  }

  Wishes::Fence* FindFence(const cmd::Sync::Target& target, PlaceId place) {
    const auto recorded = wishes_.fences.find(target.fence);
    if (recorded != wishes_.fences.end()) return &recorded->second;
    if (written_.contains(target.fence)) {
      early_.push_back({target.fence, target.where, place});
      return nullptr;
    }
    std::vector<std::string_view> known;
    for (const auto& [name, where] : written_) known.push_back(name);
    std::string meant = NearestName(target.fence, known);
    if (meant.empty() && known.size() == 1) meant = known[0];
    const bool value = refs_.IsValue(target.fence);
    Diagnostic& error =
        value ? Wrong("A3", target.where, fmt::format("'{}' is a value, not a fence", target.fence))
              : Wrong("I7", target.where, fmt::format("no fence '{}' is recorded", target.fence));
    error.Help(meant.empty() ? "record one with '--- name;' where it should wait for"
                             : fmt::format("did you mean sync({})?", meant));
    return nullptr;
  }

  // V4: whoever comes to the sync has come past the fence.
  bool CheckReached(const Wishes::Fence& fence, const cmd::Sync::Target& target, RegionId region) {
    for (RegionId around = region;; around = net_.net.regions[Index(around)].parent) {
      if (around == fence.region) return true;
      if (Index(around) == 0) break;
    }
    const NetRegion& arm = net_.net.regions[Index(fence.region)];
    Wrong("A7", target.where,
          fmt::format("fence '{}' is recorded only when {}{}{}; on the {} path this sync never "
                      "completes",
                      target.fence, arm.arm ? "" : "!(", arm.name, arm.arm ? "" : ")",
                      arm.arm ? "else" : "other"))
        .NoteAt(fence.where, "the fence")
        .Help("record the fence after the 'if', or wait in the same arm");
    return false;
  }

  // V5: on one queue, nobody waits for what was waited for before.
  bool CheckStale(const Wishes::Fence& fence, const cmd::Sync::Target& target, PlaceId place,
                  RegionId region) {
    const auto key = std::pair(Index(place), Index(fence.place));
    const auto known = synced_.find(key);
    if (known != synced_.end() && known->second.first >= fence.line) {
      const Wishes::Fence& newer = *known->second.second;
      if (!IsInside(region, known->second.region)) {
        const NetRegion& arm = net_.net.regions[Index(known->second.region)];
        out_.Warning("W2", target.where,
                     fmt::format("sync({}) waits for nothing new where {}{}{}", target.fence,
                                 arm.arm ? "" : "!(", arm.name, arm.arm ? "" : ")"))
            .NoteAt(known->second.where, "the sync of that path")
            .Help("delete that one: this one waits on every path");
        return true;
      }
      const bool same = known->second.first == fence.line;
      std::string message =
          same
              ? fmt::format("stale sync: fence {} ({}) is already synced on {}", target.fence,
                            At(fence.where), NameOf(place))
              : fmt::format("stale sync: fence {} ({}) precedes {} ({}), already synced on {}",
                            target.fence, At(fence.where), wishes_.lines[known->second.first].fence,
                            At(newer.where), NameOf(place));
      Wrong("I6", target.where, std::move(message))
          .NoteAt(fence.where, "the fence")
          .Help("delete the sync");
      return false;
    }
    synced_[key] = {fence.line, &fence, region, target.where};
    return true;
  }
  bool IsInside(RegionId region, RegionId around) const {
    for (;; region = net_.net.regions[Index(region)].parent) {
      if (region == around) return true;
      if (Index(region) == 0) return false;
    }
  }

  const Program& program_;
  const Devices& devices_;
  const SourceText& values_;
  ProgramNet& net_;
  Diagnostics& out_;
  RefResolver refs_;
  Wishes wishes_;
  std::unordered_map<size_t, PlacedAt> placed_;       // by op
  std::map<std::string, Span, std::less<>> written_;  // all fences of the text
  struct Synced {
    uint32_t first = 0;  // the fence's line
    const Wishes::Fence* second = nullptr;
    RegionId region{};
    Span where;
  };
  std::map<std::pair<size_t, size_t>, Synced> synced_;  // by who waits and for whom
  std::vector<EarlyWait> early_;
  std::vector<std::vector<Pending>> pending_;  // by place: handed to it
  std::vector<bool> gap_open_;                 // by place
  std::set<std::string> taken_;                // fences handed on to somebody
  bool closed_ = false;                        // the block around this command
};

}  // namespace

Wishes ReadWishes(const Program& program, const Devices& devices, const Schedule& schedule,
                  const SourceText& values, ProgramNet& net, Diagnostics& out) {
  return WishReader(program, devices, values, net, out).Read(schedule);
}

}  // namespace tinyai
