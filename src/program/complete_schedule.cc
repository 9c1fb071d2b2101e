#include "program/complete_schedule.h"

#include <algorithm>
#include <iterator>

#include "program/both_arms.h"
#include "program/links.h"
#include "program/loop_schedule.h"
#include "program/place_implied.h"
#include "program/resolve_ref.h"
#include "program/written_fences.h"

namespace tinyai {
namespace {

using LineKind = WishedLine::Kind;

// One line of the text, or what stands nowhere in it but has its turn.
struct Entry {
  enum class Kind : uint8_t { kSilent, kOp, kFence, kSync };
  Kind kind = Kind::kSilent;
  RegionId region{};
  NetOpId op{};
  NetSyncs fences;               // of the plan: what has to be recorded before, or (kFence) is
  std::optional<uint32_t> line;  // of the schedule: after all lines before
  bool closed = false;           // in a closed block
};

class Writer {
 public:
  Writer(const CompiledProgram& compiled, const Wishes& wishes)
      : compiled_(compiled),
        net_(compiled.net),
        plan_(compiled.plan),
        wishes_(wishes),
        fences_(WriteFences(compiled, wishes)),
        both_(compiled, wishes.branch_of) {}

  std::optional<Schedule> Write() {
    FindUsualPlaces();
    MakeEntries();
    FindClosed();
    // Where blocks of several places stand in an order that would need more syncs, only the lines
    // of each place keep theirs.
    for (const bool in_order : {true, false}) {
      in_order_ = in_order;
      CountLines();
      if (Follow()) return std::move(out_);
    }
    return std::nullopt;
  }

  // What each place does in an iteration, in blocks of its own.
  Schedule WriteBody() {
    FindUsualPlaces();
    MakeEntries();
    FindClosed();
    CountLines();
    for (size_t place = 0; place < entries_.size(); ++place) {
      for (const Entry& entry : entries_[place]) Put(place, entry);
      EndBlock();
    }
    return std::move(out_);
  }

 private:
  bool IsMark(NetOpId op) const {
    return std::holds_alternative<work::Mark>(compiled_.work[Index(op)]);
  }

  void MakeEntries() {
    entries_.resize(plan_.queues.size());
    for (size_t place = 0; place < plan_.queues.size(); ++place) {
      std::vector<Entry>& entries = entries_[place];
      entries.reserve(plan_.queues[place].size());
      for (size_t at = 0; at < plan_.queues[place].size(); ++at) {
        const NetCommand& command = plan_.queues[place][at];
        const NetOp& op = net_.op(command.op);
        const WishedLine* line = wishes_.LineOf(command.op);
        const uint32_t fence = fences_.at[place][at];
        if (command.syncs.empty() && fence == WrittenFences::kNone) {  // as nearly all
          PutEntry(entries, command.op, op.region, line, {});
          continue;
        }
        const bool waits = line != nullptr && IsMark(command.op) && !line->fences->empty();
        NetSyncs derived, given;
        for (const NetSync& sync : command.syncs) {
          (waits && fences_.given[sync.fence] ? given : derived).push_back(sync);
        }
        // Behind a sync of the schedule, which might have nothing to say after them.
        const auto put_derived = [&] {
          for (const bool back : {true, false}) {  // for iterations before, then for this one
            NetSyncs some;
            std::copy_if(derived.begin(), derived.end(), std::back_inserter(some),
                         [&](const NetSync& sync) { return (sync.distance != 0) == back; });
            if (some.empty()) continue;
            entries.push_back(
                {Entry::Kind::kSync, net_.in_turns ? RegionId{} : op.region, command.op, some, {}});
          }
        };
        if (!waits) put_derived();
        PutEntry(entries, command.op, op.region, line, given);
        if (waits) put_derived();
        if (fence == WrittenFences::kNone) continue;
        if (fences_.given[fence]) {
          entries.back().kind = Entry::Kind::kFence;
          entries.back().fences = {{fence}};
        } else {
          entries.push_back(
              {Entry::Kind::kFence, fences_.regions[fence], command.op, {{fence}}, {}});
        }
      }
    }
  }

  void PutEntry(std::vector<Entry>& entries, NetOpId op, RegionId region, const WishedLine* line,
                const NetSyncs& given) const {
    Entry& entry = entries.emplace_back();
    entry.kind = IsSilent(op, line) ? Entry::Kind::kSilent : Entry::Kind::kOp;
    entry.region = region;
    entry.op = op;
    if (!given.empty()) entry.fences = given;
    if (line != nullptr) entry.line = wishes_.line_of[Index(op)];
  }

  // What stands nowhere in the text: waits that another block hands on, outputs, and what is
  // implied if it is where it would be anyway.
  bool IsSilent(NetOpId op, const WishedLine* line) const {
    if (IsMark(op)) return line == nullptr || line->kind == LineKind::kWait;
    if (const auto* carry = std::get_if<work::Carry>(&compiled_.work[Index(op)])) {
      return carry->step != work::Carry::Step::kNext;
    }
    const auto* evaluate = std::get_if<work::Evaluate>(&compiled_.work[Index(op)]);
    if (evaluate == nullptr) return false;
    const Eval& eval = compiled_.program.eval(evaluate->eval);
    if (eval.outs.empty()) return true;
    if (evaluate->again || both_.DecidesOne(eval.outs[0])) return false;
    if (eval.kind == Eval::Kind::kMerge && both_.Has(eval.index)) return false;
    if (!compiled_.program.def(eval.outs[0]).implied) return false;
    return !line_is_explicit(line, op) &&
           usual_places_[Index(op)] == compiled_.details.place_of[Index(op)];
  }
  bool line_is_explicit(const WishedLine* line, NetOpId op) const {
    return line != nullptr && line->ops.size() == 1 && line->ops[0] == op;
  }
  void FindUsualPlaces() {
    const std::vector<PlaceId>& places = compiled_.details.place_of;
    usual_places_.resize(net_.ops.size());
    EachUsualPlace(
        compiled_.program, net_, compiled_.work, wishes_.branch_of,
        [&](NetOpId op) { return std::optional(places[Index(op)]); },
        [&](NetOpId op, PlaceId place) { usual_places_[Index(op)] = place; });
  }

  // --- one text of all queues ---

  void CountLines() {
    out_ = {};
    EndBlock();
    next_line_ = 0;
    missing_.assign(wishes_.lines.size(), 0);
    for (size_t i = 0; i < wishes_.lines.size(); ++i) {
      missing_[i] = static_cast<uint32_t>(wishes_.lines[i].ops.size());
    }
    recorded_.assign(plan_.fences.size(), false);
    next_.assign(entries_.size(), 0);
  }

  // What was added stands in the block of the next line of its place that the user wrote, at the
  // end in that of the last one.
  void FindClosed() {
    for (std::vector<Entry>& entries : entries_) {
      std::optional<bool> next;
      for (size_t i = entries.size(); i-- > 0;) {
        if (entries[i].line) next = wishes_.lines[*entries[i].line].closed;
        entries[i].closed = next.value_or(false);
      }
      bool last = false;
      size_t behind = 0;
      for (size_t i = 0; i < entries.size(); ++i) {
        if (!entries[i].line) continue;
        last = entries[i].closed;
        behind = i + 1;
      }
      for (size_t i = behind; i < entries.size(); ++i) entries[i].closed = last;
    }
  }

  bool IsReady(size_t place) const {
    if (next_[place] == entries_[place].size()) return false;
    const Entry& entry = entries_[place][next_[place]];
    if (in_order_ && entry.line && *entry.line > next_line_) return false;
    if (entry.kind == Entry::Kind::kFence) return true;
    return std::all_of(entry.fences.begin(), entry.fences.end(),
                       [&](const NetSync& sync) { return recorded_[sync.fence]; });
  }

  // True if all could be put.
  bool Follow() {
    size_t place = 0;
    while (true) {
      if (!IsReady(place)) {
        size_t other = 0;
        while (other < entries_.size() && !IsReady(other)) ++other;
        if (other == entries_.size()) break;
        place = other;
      }
      Put(place, entries_[place][next_[place]++]);
    }
    EndBlock();
    bool complete = true;
    for (size_t i = 0; i < entries_.size(); ++i) {
      complete = complete && next_[i] == entries_[i].size();
    }
    return complete;
  }

  void Put(size_t place, const Entry& entry) {
    if (entry.line) {
      --missing_[*entry.line];
      while (next_line_ < missing_.size() && missing_[next_line_] == 0) ++next_line_;
    }
    if (entry.kind == Entry::Kind::kSilent) return;
    if (!block_place_ || *block_place_ != place || entry.closed != block_closed_) {
      if (entry.kind == Entry::Kind::kSync && CanHandOff(place, entry)) {
        GoTo(RegionId{});
        Add(cmd::Sync{{{fences_.names[entry.fences[0].fence], 0, {}}}});
        return;
      }
      EndBlock();
      BeginBlock(place, entry.closed);
    }
    GoTo(entry.region);
    switch (entry.kind) {
      case Entry::Kind::kSilent:
        return;
      case Entry::Kind::kFence:
        recorded_[entry.fences[0].fence] = true;
        return Add(cmd::Fence{fences_.names[entry.fences[0].fence]});
      case Entry::Kind::kSync:
        return AddSync(entry.fences);
      case Entry::Kind::kOp:
        return AddOp(entry);
    }
  }
  void AddSync(const NetSyncs& syncs) {
    cmd::Sync sync;
    for (const NetSync& one : syncs) {
      sync.targets.push_back({fences_.names[one.fence], one.distance, {}});
    }
    Add(std::move(sync));
  }
  void AddOp(const Entry& entry) {
    const WishedLine* line = wishes_.LineOf(entry.op);
    if (line != nullptr && line->kind >= LineKind::kPrefetch) {
      return Add(cmd::Work{VerbOf(line->kind), RefOf(line->def)});
    }
    if (IsMark(entry.op)) {
      cmd::Sync sync;
      const std::vector<uint32_t>& distances = *line->distances;
      for (size_t i = 0; i < line->fences->size(); ++i) {
        const uint32_t distance = i < distances.size() ? distances[i] : 0;
        sync.targets.push_back({(*line->fences)[i], distance, {}});
      }
      return Add(std::move(sync));
    }
    if (const auto* move = std::get_if<work::Move>(&compiled_.work[Index(entry.op)])) {
      const MemoryId to = net_.value(net_.op(entry.op).outs[0]).memory;
      const std::string& place = net_.place(PlaceOf(compiled_.devices, to)).name;
      return Add(cmd::Move{RefOf(move->def), line != nullptr ? *line->to : PlaceFromName(place)});
    }
    if (const auto* print = std::get_if<work::Print>(&compiled_.work[Index(entry.op)])) {
      cmd::Print out;
      for (const DefId def : print->defs) out.refs.push_back(RefOf(def));
      return Add(std::move(out));
    }
    if (const auto* loop = std::get_if<work::Loop>(&compiled_.work[Index(entry.op)])) {
      const PlaceId place = compiled_.details.place_of[Index(entry.op)];
      return Add(LoopCommand(compiled_.bodies[loop->body], net_.place(place).name));
    }
    if (const auto* carry = std::get_if<work::Carry>(&compiled_.work[Index(entry.op)])) {
      return AddWork(cmd::Verb::kEvaluate, compiled_.program.def(carry->def).name);
    }
    const auto& evaluate = std::get<work::Evaluate>(compiled_.work[Index(entry.op)]);
    const DefId made = compiled_.program.eval(evaluate.eval).outs.front();
    const cmd::Verb verb = evaluate.again ? cmd::Verb::kRecompute : cmd::Verb::kEvaluate;
    if (both_.Holds(made)) return Add(cmd::Work{verb, both_.RefOf(made)});
    // What a loop carries on is called by what it carries.
    const std::string& name = compiled_.program.def(made).name;
    constexpr std::string_view kNext = "@next";
    const bool next = compiled_.body && name.ends_with(kNext);
    if (next) return AddWork(verb, name.substr(0, name.size() - kNext.size()));
    AddWork(verb, name);
  }
  static cmd::Verb VerbOf(LineKind kind) {
    switch (kind) {
      case LineKind::kPin:
        return cmd::Verb::kPin;
      case LineKind::kEvict:
        return cmd::Verb::kEvict;
      case LineKind::kFree:
        return cmd::Verb::kFree;
      default:
        return cmd::Verb::kPrefetch;
    }
  }
  // A merged value is called by the name that both arms define, where that means it.
  Ref RefOf(DefId id) const {
    const Def& def = compiled_.program.def(id);
    const std::string base = def.name.substr(0, def.name.find('@'));
    if (both_.Holds(id)) return both_.RefOf(id);
    DefId first = id;
    while (compiled_.program.eval(compiled_.program.def(first).maker).kind == Eval::Kind::kMerge) {
      first = compiled_.program.eval(compiled_.program.def(first).maker).ins[1];
    }
    return RefFromName(compiled_.program.def(first).name == base ? base : def.name);
  }

  // Written in the block before, where the only one who could wait is who goes on now.
  bool CanHandOff(size_t place, const Entry& entry) const {
    if (!block_place_ || entry.fences.size() != 1 || Index(entry.region) != 0) return false;
    if (Index(plan_.fences[entry.fences[0].fence].place) != *block_place_) return false;
    return net_.places.size() == 2 || OnlyLeft(place, *block_place_);
  }
  // Whether all places but these are at their ends.
  bool OnlyLeft(size_t place, size_t or_place) const {
    for (size_t other = 0; other < entries_.size(); ++other) {
      const bool done = next_[other] == entries_[other].size();
      if (other != place && other != or_place && !done) return false;
    }
    return true;
  }

  // --- blocks and arms ---

  void BeginBlock(size_t place, bool closed) {
    block_place_ = place;
    block_closed_ = closed;
    Item& item = out_.items.emplace_back();
    Block block;
    block.closed = closed;
    block.place = PlaceFromName(net_.places[place].name);
    item.what = std::move(block);
    std::vector<Command>& commands = std::get<Block>(item.what).commands;
    commands.reserve(OnlyLeft(place, place) ? entries_[place].size() - next_[place] + 1
                                            : LinesAhead(place));
    open_ = {{RegionId{}, &commands}};
  }
  // About so many commands come before another place has its turn, as far as it is worth knowing.
  size_t LinesAhead(size_t place) const {
    constexpr size_t kMost = 128;
    const std::vector<Entry>& entries = entries_[place];
    const size_t first = next_[place], end = std::min(entries.size(), first + kMost);
    size_t at = first;
    while (at < end && (!entries[at].line || *entries[at].line <= next_line_ + (at - first))) ++at;
    return at - first + 1;
  }
  void EndBlock() {
    block_place_.reset();
    open_.clear();
  }
  void AddWork(cmd::Verb verb, const std::string& name) {
    auto& work = std::get<cmd::Work>(open_.back().commands->emplace_back().what);  // a new one
    work.verb = verb;
    RefFromName(name, work.ref);
  }
  void Add(Command::What what) { open_.back().commands->emplace_back().what = std::move(what); }
  // Opens and closes arms.
  void GoTo(RegionId region) {
    if (open_.back().region == region) return;
    std::vector<RegionId> path;
    for (RegionId at = region; at != RegionId{}; at = net_.regions[Index(at)].parent) {
      path.insert(path.begin(), at);
    }
    size_t same = 0;
    while (same < path.size() && same + 1 < open_.size() && open_[same + 1].region == path[same]) {
      ++same;
    }
    open_.resize(same + 1, {RegionId{}, nullptr});
    for (size_t i = same; i < path.size(); ++i) OpenArm(path[i]);
  }
  void OpenArm(RegionId region) {
    const NetRegion& arm = net_.regions[Index(region)];
    std::vector<Command>& around = *open_.back().commands;
    const uint32_t branch = wishes_.branch_of[Index(region)];
    cmd::If* last = around.empty() ? nullptr : std::get_if<cmd::If>(&around.back().what);
    const bool goes_on =
        !arm.arm && last != nullptr && !last->otherwise && open_.back().last_branch == branch;
    if (!goes_on) {
      const auto written = wishes_.conditions.find(branch);
      Command command;
      command.what =
          cmd::If{written != wishes_.conditions.end() ? written->second
                                                      : compiled_.program.branches[branch].written,
                  {},
                  std::nullopt};
      around.push_back(std::move(command));
      last = std::get_if<cmd::If>(&around.back().what);
    }
    open_.back().last_branch = branch;
    if (!arm.arm) last->otherwise.emplace();
    open_.push_back({region, arm.arm ? &last->then : &*last->otherwise});
  }

  const CompiledProgram& compiled_;
  const TaskNet& net_;
  const NetPlan& plan_;
  const Wishes& wishes_;
  const WrittenFences fences_;
  const BothArms both_;
  Schedule out_;
  std::vector<std::optional<PlaceId>> usual_places_;  // by op: where it is when nobody says it
  std::vector<std::vector<Entry>> entries_;           // by place
  std::vector<size_t> next_;                          // by place
  std::vector<uint32_t> missing_;                     // by line: ops still to come
  uint32_t next_line_ = 0;
  std::vector<bool> recorded_;  // by fence
  struct Open {
    RegionId region;
    std::vector<Command>* commands;
    uint32_t last_branch = 0;  // of the last `if` in it
  };
  std::vector<Open> open_;
  std::optional<size_t> block_place_;
  bool block_closed_ = false;
  bool in_order_ = true;  // of all lines of the schedule, not only of each place's
};

}  // namespace

std::optional<Schedule> CompleteSchedule(const CompiledProgram& compiled, const Wishes& wishes) {
  return compiled.body ? Writer(compiled, wishes).WriteBody() : Writer(compiled, wishes).Write();
}

}  // namespace tinyai
