#include "program/carry_values.h"

#include <algorithm>
#include <map>
#include <utility>

#include "fmt/format.h"
#include "program/decide_arms.h"
#include "program/held_values.h"
#include "program/links.h"
#include "program/place_given.h"
#include "program/place_implied.h"
#include "program/value_copies.h"

namespace tinyai {
namespace {

using Kind = WishedLine::Kind;
using Held = HeldValues::Held;
using Moment = HeldValues::Moment;

class Carrier {
 public:
  Carrier(const Program& program, const Devices& devices, const SourceText& values,
          const Wishes& wishes, ProgramNet& net, Diagnostics& out)
      : program_(program),
        devices_(devices),
        values_(values),
        wishes_(wishes),
        net_(net),
        out_(out),
        ways_(devices),
        given_ops_(net.net.ops.size()) {}

  // What the text alone says: of ops whose place it says those that read what a line before them
  // brings.
  void TakeListed() {
    if (!Asked()) return;
    PlaceValues();
    std::vector<NetChoices> choices;
    for (const NetOp& op : net_.net.ops) choices.push_back(op.choices);
    PlaceImplied(program_, wishes_, net_);
    held_.emplace(program_, wishes_, net_, given_ops_);
    decides_ = DecideArms(program_, given_ops_, *held_, net_);
    for (size_t i = 0; i < given_ops_; ++i) {
      const NetOpId op = NetOpId(i);
      if (net_.net.ops[i].choices.size() > 1) continue;
      for (NetValueId& in : net_.net.ops[i].ins) {
        const DefId def = net_.def_of[Index(in)];
        if (const auto decides = Decides(op, def)) in = *decides;
        const MemoryId memory = IsMove(op) ? MemoryId(LinkOf(op, def).from) : MemoryOf(op);
        const Held* last = held_->Find(op, def, memory);
        if (last != nullptr && last->since != HeldValues::kStart) in = last->value;
      }
    }
    for (size_t i = 0; i < given_ops_; ++i) net_.net.ops[i].choices = std::move(choices[i]);
  }

  bool Run() {
    const bool one_memory = PlaceValues();
    if (one_memory && !Asked()) return true;
    held_.emplace(program_, wishes_, net_, given_ops_);
    decides_ = DecideArms(program_, given_ops_, *held_, net_);
    copies_.emplace(devices_, net_, *held_);
    if (!ChooseAll()) return false;
    for (size_t op = 0; op < given_ops_; ++op) net_.net.ops[op].ins = std::move(chosen_[op]);
    if (!Pin()) return false;
    copies_->Place();
    KeepOrders();
    return true;
  }

 private:
  // Whether a value may be more than once in one memory, or not be there.
  bool Asked() const {
    const auto again = [](const NetWork& work) {
      const auto* evaluate = std::get_if<work::Evaluate>(&work);
      return evaluate != nullptr && evaluate->again;
    };
    return std::any_of(wishes_.lines.begin(), wishes_.lines.end(),
                       [](const WishedLine& line) {
                         return line.kind >= Kind::kAgain && line.kind <= Kind::kPin;
                       }) ||
           std::any_of(net_.work.begin(), net_.work.end(), again);
  }
  PlaceId PlaceOfOp(NetOpId op) const { return net_.net.op(op).choices.front().place; }
  MemoryId MemoryOf(NetOpId op) const { return net_.net.place(PlaceOfOp(op)).memory; }
  bool IsListed(NetOpId op) const {
    return Index(op) < wishes_.line_of.size() && wishes_.line_of[Index(op)].has_value();
  }
  const WishedLine& LineOf(NetOpId op) const { return wishes_.lines[*wishes_.line_of[Index(op)]]; }
  bool IsMove(NetOpId op) const { return std::holds_alternative<work::Move>(net_.work[Index(op)]); }

  // True if all values lie in one memory.
  bool PlaceValues() {
    std::optional<MemoryId> first;
    bool one = true;
    for (size_t i = 0; i < given_ops_; ++i) {
      const NetOp& op = net_.net.ops[i];
      if (op.choices.size() > 1) continue;  // any of them: they share a memory
      const MemoryId memory = MemoryOf(NetOpId(i));
      one = one && !IsMove(NetOpId(i)) && first.value_or(memory) == memory;
      first = memory;
      if (IsMove(NetOpId(i))) continue;
      for (const NetValueId out : op.outs) net_.net.values[Index(out)].memory = memory;
    }
    PlaceGiven(given_ops_, one ? first : std::nullopt, net_);
    return one;
  }

  // --- who reads what ---

  // One op after the other; of what lines bring or take away, all who read it at once, in the order
  // of the text.
  bool ChooseAll() {
    chosen_.reserve(given_ops_);
    for (size_t op = 0; op < given_ops_; ++op) chosen_.push_back(net_.net.ops[op].ins);
    std::vector<std::vector<Read>> listed(program_.defs.size());
    const auto def_of = [&](size_t op, size_t in) { return net_.def_of[Index(chosen_[op][in])]; };
    for (size_t op = 0; op < given_ops_; ++op) {
      for (size_t in = 0; in < chosen_[op].size(); ++in) {
        const DefId def = def_of(op, in);
        if (held_->IsListed(def)) listed[Index(def)].push_back({NetOpId(op), in});
      }
    }
    std::vector<bool> done(program_.defs.size(), false);
    const auto choose_listed = [&](size_t def) {
      done[def] = true;
      return ChooseListed(DefId(def), listed[def]);
    };
    for (size_t op = 0; op < given_ops_; ++op) {
      for (size_t in = 0; in < chosen_[op].size(); ++in) {
        const size_t def = Index(def_of(op, in));
        const bool is_listed = held_->IsListed(DefId(def));
        if (is_listed && !done[def] && !choose_listed(def)) return false;
        if (!is_listed && !Choose({NetOpId(op), in})) return false;
      }
    }
    for (size_t def = 0; def < done.size(); ++def) {
      if (held_->IsListed(DefId(def)) && !done[def] && !choose_listed(def)) return false;
    }
    return true;
  }
  struct Read {
    NetOpId op{};
    size_t in = 0;
  };
  bool ChooseListed(DefId def, const std::vector<Read>& reads) {
    struct Turn {
      Moment when;
      bool evicts;
      size_t index;
    };
    std::vector<Turn> turns;
    for (size_t i = 0; i < reads.size(); ++i) {
      turns.push_back({held_->MomentFor(reads[i].op, def), false, i});
    }
    const std::vector<HeldValues::Line>& evictions = held_->Evictions(def);
    for (size_t i = 0; i < evictions.size(); ++i) turns.push_back({evictions[i].when, true, i});
    std::stable_sort(turns.begin(), turns.end(), [](const Turn& a, const Turn& b) {
      return std::pair(a.when, a.evicts) < std::pair(b.when, b.evicts);
    });
    return std::all_of(turns.begin(), turns.end(), [&](const Turn& turn) {
      return turn.evicts ? Evict(def, evictions[turn.index]) : Choose(reads[turn.index]);
    });
  }
  // Where an op reads a value; it stays if that lies right. False, and reported: nowhere.
  bool Choose(const Read& read) {
    NetValueId& in = chosen_[Index(read.op)][read.in];
    if (net_.net.value(in).given) return true;
    const DefId def = net_.def_of[Index(in)];
    if (const auto decides = Decides(read.op, def)) {
      in = *decides;
      return true;
    }
    MemoryId memory = MemoryOf(read.op);
    if (IsMove(read.op)) {
      const std::optional<MemoryId> source = SourceOf(read.op, def);
      if (!source) return false;
      memory = *source;
    }
    const auto value = Bring(read.op, def, memory, held_->RegionFor(read.op, def));
    if (!value) return false;
    in = *value;
    if (!held_->IsListed(def)) return true;
    readers_.push_back({read.op, def, memory, held_->MomentFor(read.op, def)});
    if (IsMove(read.op)) FindReturn(read.op, in);
    return true;
  }
  // Of what merges the arms of a condition what was computed again, where that decides.
  std::optional<NetValueId> Decides(NetOpId op, DefId condition) const {
    if (decides_.empty() || !held_->MergesBy(op, condition)) return std::nullopt;
    const auto& evaluate = std::get<work::Evaluate>(net_.work[Index(op)]);
    const auto decides = decides_.find(program_.eval(evaluate.eval).index);
    return decides != decides_.end() ? std::optional(decides->second) : std::nullopt;
  }
  // A move back to where what it reads was moved from, without a line that says why.
  void FindReturn(NetOpId move, NetValueId from) {
    const NetValueId out = net_.net.op(move).outs[0];
    const DefId def = net_.def_of[Index(out)];
    const MemoryId to = net_.net.value(out).memory;
    source_of_.emplace(out, from);
    held_->Moves(def, move, from);
    for (const HeldValues::Line& line : held_->Evictions(def)) {
      if (line.memory == to && line.when < held_->MomentFor(move, def)) return;
    }
    for (auto at = source_of_.find(from); at != source_of_.end();
         at = source_of_.find(at->second)) {
      if (net_.net.value(at->second).memory == to) return held_->Return(def, move);
    }
  }

  // --- copies ---

  // The value in that memory, moved there if it is not; nothing, and reported, if it cannot be.
  std::optional<NetValueId> Bring(NetOpId reader, DefId def, MemoryId memory, RegionId region) {
    const Held* const there = held_->Find(reader, def, memory);
    if (there != nullptr && copies_->CanTake(*there, region)) return copies_->Take(*there, region);
    const Held* source = FindSource(reader, def, memory, region);
    if (source == nullptr) {
      ReportNoWay(reader, def, memory);
      return std::nullopt;
    }
    NetValueId value = copies_->Take(*source, region);
    while (net_.net.value(value).memory != memory) {
      const Devices::Link& link = *ways_.First(net_.net.value(value).memory, memory);
      const Held* between = held_->Find(reader, def, MemoryId(link.to));
      const bool is_there =
          between != nullptr && !between->at && copies_->CanTake(*between, region);
      value =
          is_there ? copies_->Take(*between, region) : CopyOver(link, value, reader, def, region);
    }
    return value;
  }
  // The nearest; of these the first.
  const Held* FindSource(NetOpId reader, DefId def, MemoryId memory, RegionId region) {
    const Held* best = nullptr;
    std::pair<bool, size_t> least;
    for (const Held& one : held_->All(def)) {
      const MemoryId from = net_.net.value(one.value).memory;
      if (from == memory || one.at || ways_.First(from, memory) == nullptr) continue;
      if (!held_->IsThere(reader, def, one) || !copies_->CanTake(one, region)) continue;
      const Devices::Link& link = *ways_.First(from, memory);
      if (!copies_->CanCopy(one, link, def, region)) continue;
      const std::pair<bool, size_t> far(held_->IsFreed(reader, def, one), ways_.Hops(from, memory));
      const bool newer =
          one.returns && best != nullptr && net_.net.value(best->value).memory == from;
      if (best != nullptr && far >= least && !newer) continue;
      best = &one;
      least = far;
    }
    return best;
  }
  NetValueId CopyOver(const Devices::Link& link, NetValueId value, NetOpId reader, DefId def,
                      RegionId region) {
    const auto to = MemoryId(link.to);
    const Moment when = held_->MomentFor(reader, def);
    const NetValueId out = copies_->Add(link, value, reader, def, region);
    if (!held_->IsListed(def)) return out;
    source_of_.emplace(out, value);
    const NetOpId op = copies_->OpOf(out);
    readers_.push_back({op, def, net_.net.value(value).memory, when});
    // Behind the eviction, so that there is room meanwhile, and before what brings it once more.
    for (const HeldValues::Line& line : held_->Evictions(def)) {
      const bool sees = line.memory == to && held_->Sees(reader, def, line.op, line.when);
      if (sees) orders_.push_back({line.op, op});
    }
    for (const HeldValues::Line& line : held_->Brought(def)) {
      if (line.memory == to && line.when >= when) orders_.push_back({op, line.op});
    }
    return out;
  }

  // What comes before what in the text does so when it is carried out: who reads a def in a memory
  // before that leaves it, or comes once more as what is read from then on.
  void KeepOrders() {
    for (const Reader& reader : readers_) {
      const RegionId region = held_->RegionFor(reader.op, reader.def);
      const auto keep = [&](const HeldValues::Line& line) {
        const bool later = line.memory == reader.memory && line.when >= reader.when;
        if (later && IsInside(net_.net, region, net_.net.op(line.op).region)) {
          orders_.push_back({reader.op, line.op});
        }
      };
      for (const HeldValues::Line& line : held_->Evictions(reader.def)) keep(line);
      for (const HeldValues::Line& line : held_->Brought(reader.def)) {
        const bool again = !IsMove(line.op) && PlaceOfOp(line.op) == PlaceOfOp(reader.op);
        if (again || line.returns) keep(line);
      }
    }
    for (const WishedLine& line : wishes_.lines) {
      if (line.kind != Kind::kEvict) continue;
      const NetOpId gone = line.ops.front();
      for (const HeldValues::Line& back : held_->Brought(line.def)) {
        if (back.memory != line.memory) continue;
        const bool after = back.when > held_->MomentFor(gone, line.def);
        orders_.push_back(after ? std::pair(gone, back.op) : std::pair(back.op, gone));
      }
      for (const Held& held : held_->All(line.def)) {
        const bool before = held.epoch && held.since < held_->MomentFor(gone, line.def) &&
                            net_.net.value(held.value).memory == line.memory;
        if (before) orders_.push_back({held.op, gone});
      }
    }
    for (const auto& [first, second] : orders_) {
      const RegionId a = net_.net.op(first).region, b = net_.net.op(second).region;
      if (first == second || (!IsInside(net_.net, a, b) && !IsInside(net_.net, b, a))) continue;
      net_.net.orders.push_back({first, second, NetOrder::Kind::kUser, 0});
    }
  }

  // --- lines ---

  // Over which a listed move goes: that leads from where the value was made, if one does.
  const Devices::Link& LinkOf(NetOpId move, DefId def) const {
    const MemoryId to = net_.net.value(net_.net.op(move).outs[0]).memory;
    const MemoryId home = net_.net.value(held_->All(def).front().value).memory;
    const Devices::Link* best = nullptr;
    for (const Devices::Link& link : devices_.links) {
      if (MemoryId(link.to) != to || LinkPlace(devices_, link) != PlaceOfOp(move)) continue;
      if (best == nullptr || MemoryId(link.from) == home) best = &link;
    }
    return *best;
  }
  // Of a listed move the memory that it reads.
  std::optional<MemoryId> SourceOf(NetOpId move, DefId def) {
    NetOp& op = net_.net.ops[Index(move)];
    const MemoryId to = net_.net.value(op.outs[0]).memory;
    const Devices::Link& link = LinkOf(move, def);
    op.choices[0].seconds = CopySeconds(link, net_.net.value(op.ins[0]).bytes);
    const Held* there = held_->Find(move, def, to);
    if (held_->Find(move, def, MemoryId(link.from)) == nullptr && there != nullptr &&
        !held_->IsFreed(move, def, *there)) {
      const std::string& memory = net_.net.memories[Index(to)].name;
      out_.Error("I9", LineOf(move).where,
                 fmt::format("'{}' is in {} already", program_.def(def).name, memory))
          .Help("delete the line");
      return std::nullopt;
    }
    return MemoryId(link.from);
  }

  // What leaves a memory has to be in another one.
  bool Evict(DefId def, const HeldValues::Line& eviction) {
    const WishedLine& line = LineOf(eviction.op);
    const std::string& memory = net_.net.memories[Index(line.memory)].name;
    const std::string& name = program_.def(def).name;
    const Held* here = held_->Find(eviction.op, def, line.memory);
    const auto is_here = [&](const Held& one) {
      return net_.net.value(one.value).memory == line.memory;
    };
    const std::vector<Held>& all = held_->All(def);
    if (std::none_of(all.begin(), all.end(), is_here)) {
      out_.Error("I9", line.where, fmt::format("'{}' is not in {}", name, memory))
          .Help("delete the line");
      return false;
    }
    for (const Held& one : all) {
      if (!is_here(one) && !one.at && held_->IsThere(eviction.op, def, one) &&
          !held_->IsFreed(eviction.op, def, one)) {
        copies_->Take(one, line.region);
        if (one.since != HeldValues::kStart) orders_.push_back({one.op, eviction.op});
        KeepUntil(eviction, def, one.value);
        return true;
      }
    }
    if (here == nullptr) return true;
    std::string why = "no links lead away and back";
    for (const Devices::Link& link : devices_.links) {
      if (MemoryId(link.from) != line.memory) continue;
      if (!copies_->CanCopy(*here, link, def, line.region)) {
        why = "it is there in one arm only";
        continue;
      }
      if (held_->WasFreed(eviction.op, def, MemoryId(link.to))) {
        why = fmt::format("it is freed in {} before", net_.net.memories[link.to].name);
        continue;
      }
      if (ways_.First(MemoryId(link.to), line.memory) == nullptr) continue;
      const NetValueId away =
          CopyOver(link, copies_->Take(*here, line.region), eviction.op, def, line.region);
      orders_.push_back({copies_->OpOf(away), eviction.op});
      KeepUntil(eviction, def, away);
      return true;
    }
    out_.Error("I9", line.where, fmt::format("'{}' cannot leave {}: {}", name, memory, why))
        .Help(fmt::format("compute it again where it is needed: recompute {};", name));
    return false;
  }

  // What a def is left in is not freed before.
  void KeepUntil(const HeldValues::Line& eviction, DefId def, NetValueId left) {
    for (const HeldValues::Line& free : held_->Frees(def)) {
      const bool later = free.when > eviction.when;
      if (later && free.memory == net_.net.value(left).memory) {
        orders_.push_back({eviction.op, free.op});
      }
    }
  }

  bool Pin() {
    for (const WishedLine& line : wishes_.lines) {
      if (line.kind != Kind::kPin) continue;
      bool there = false;
      for (const Held& one : held_->All(line.def)) {
        NetValue& value = net_.net.values[Index(one.value)];
        if (value.memory == line.memory) there = value.wanted = true;
      }
      if (there) continue;
      const auto value = Bring(line.ops.front(), line.def, line.memory, RegionId{});
      if (!value) return false;
      net_.net.values[Index(*value)].wanted = true;
    }
    return true;
  }

  void ReportNoWay(NetOpId reader, DefId def, MemoryId memory) {
    const std::vector<Held>& all = held_->All(def);
    const auto name_of = [&](MemoryId id) { return net_.net.memories[Index(id)].name; };
    const std::string to = name_of(memory);
    const std::string from = name_of(net_.net.value(all.front().value).memory);
    std::string why = fmt::format("nothing leads from {} to {}", from, to);
    std::string help =
        fmt::format("declare a link: link {} -> {} = 10us + bytes / 10GB/s;", from, to);
    const auto leads = [&](const Held& one) {
      return ways_.First(net_.net.value(one.value).memory, memory) != nullptr;
    };
    if (std::any_of(all.begin(), all.end(), leads)) {
      why = fmt::format(
          "from where it could be moved to {} it has left, or is there in one arm only", to);
      help = "move it in front of the 'if' or the eviction";
    }
    out_.Error("I9", IsListed(reader) ? LineOf(reader).where : Span{},
               fmt::format("'{}' on {} needs '{}', and {}", net_.net.op(reader).name,
                           net_.net.place(PlaceOfOp(reader)).name, program_.def(def).name, why))
        .NoteIn(values_, program_.def(def).where, "what it needs")
        .Help(help);
  }

  const Program& program_;
  const Devices& devices_;
  const SourceText& values_;
  const Wishes& wishes_;
  ProgramNet& net_;
  Diagnostics& out_;
  const LinkWays ways_;
  const size_t given_ops_;
  std::optional<HeldValues> held_;
  std::map<uint32_t, NetValueId> decides_;  // by branch: what was computed again, if that does
  std::optional<ValueCopies> copies_;
  std::vector<NetOperands> chosen_;  // by op: what it reads
  struct Reader {
    NetOpId op{};
    DefId def{};
    MemoryId memory{};
    Moment when;
  };
  std::vector<Reader> readers_;
  std::map<NetValueId, NetValueId> source_of_;       // of what is moved
  std::vector<std::pair<NetOpId, NetOpId>> orders_;  // who comes before whom
};

}  // namespace

void TakeListed(const Program& program, const Devices& devices, const SourceText& values,
                const Wishes& wishes, ProgramNet& net, Diagnostics& out) {
  Carrier(program, devices, values, wishes, net, out).TakeListed();
}

bool CarryValues(const Program& program, const Devices& devices, const SourceText& values,
                 const Wishes& wishes, ProgramNet& net, Diagnostics& out) {
  return Carrier(program, devices, values, wishes, net, out).Run();
}

}  // namespace tinyai
