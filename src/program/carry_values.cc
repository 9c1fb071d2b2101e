#include "program/carry_values.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "fmt/format.h"
#include "program/place_given.h"

namespace tinyai {
namespace {

using Kind = WishedLine::Kind;

constexpr int64_t kUnlisted = -1;

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
        given_ops_(net.net.ops.size()) {}

  // What the text alone says: of listed ops those that read what a line before them brings.
  void TakeListed() {
    if (!Asked()) return;
    PlaceValues();
    FindInstances();
    for (size_t i = 0; i < given_ops_; ++i) {
      const NetOpId op = NetOpId(i);
      if (LineOf(op) == kUnlisted || IsMove(op)) continue;
      for (NetValueId& in : net_.net.ops[i].ins) {
        const Instance* last = Find(op, net_.def_of[Index(in)], MemoryOf(op));
        if (last != nullptr && last->line != kUnlisted) in = last->value;
      }
    }
  }

  bool Run() {
    const bool one_memory = PlaceValues();
    if (one_memory && !Asked()) return true;
    FindInstances();
    FindLinks();
    for (uint32_t i = 0; i < wishes_.lines.size(); ++i) {
      if (wishes_.lines[i].kind == Kind::kEvict && !Evict(i)) return false;
    }
    std::vector<std::pair<NetOpId, NetOperands>> chosen;
    for (size_t op = 0; op < given_ops_; ++op) {
      NetOperands ins = net_.net.ops[op].ins;
      for (NetValueId& in : ins) {
        const std::optional<NetValueId> found = Choose(NetOpId(op), in);
        if (!found) return false;
        in = *found;
      }
      chosen.emplace_back(NetOpId(op), std::move(ins));
    }
    for (auto& [op, ins] : chosen) net_.net.ops[Index(op)].ins = std::move(ins);
    if (!Pin()) return false;
    PlaceCopies();
    return true;
  }

 private:
  // One of the values that hold a def.
  struct Instance {
    NetValueId value{};
    NetOpId op{};               // behind which it is there
    int64_t line = kUnlisted;   // of the schedule
    std::optional<PlaceId> at;  // recompute: only what is computed there reads it
  };
  struct Eviction {
    NetOpId mark{};
    int64_t line = 0;
    MemoryId memory{};
  };

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
  int64_t LineOf(NetOpId op) const {
    const size_t i = Index(op);
    return i < wishes_.line_of.size() && wishes_.line_of[i] ? int64_t{*wishes_.line_of[i]}
                                                            : kUnlisted;
  }
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

  void FindInstances() {
    instances_.resize(program_.defs.size());
    evictions_.resize(program_.defs.size());
    for (size_t i = 0; i < given_ops_; ++i) {
      const NetOpId op = NetOpId(i);
      const auto* evaluate = std::get_if<work::Evaluate>(&net_.work[i]);
      const bool again = evaluate != nullptr && evaluate->again;
      const bool extra = again || IsMove(op);
      for (const NetValueId out : net_.net.ops[i].outs) {
        std::vector<Instance>& all = instances_[Index(net_.def_of[Index(out)])];
        Instance instance{out, op, extra ? LineOf(op) : kUnlisted, {}};
        if (again) instance.at = PlaceOfOp(op);
        all.push_back(instance);
      }
    }
    for (std::vector<Instance>& all : instances_) {
      std::stable_sort(all.begin(), all.end(),
                       [](const Instance& a, const Instance& b) { return a.line < b.line; });
    }
    for (size_t i = 0; i < wishes_.lines.size(); ++i) {
      const WishedLine& line = wishes_.lines[i];
      if (line.kind != Kind::kEvict) continue;
      evictions_[Index(line.def)].push_back(
          {line.ops.front(), static_cast<int64_t>(i), line.memory});
    }
  }

  // --- what comes before what ---

  // What has to come before an op of the schedule, with all that the text lists before.
  const std::vector<bool>& Before(NetOpId op) {
    const auto [known, added] = before_.try_emplace(Index(op));
    if (!added) return known->second;
    if (!needs_) {
      std::vector<NetNeed> needs = Needs(net_.net);
      std::erase_if(needs, [](const NetNeed& need) { return need.distance != 0; });
      std::optional<NetOpId> last;
      for (const WishedLine& line : wishes_.lines) {
        for (const NetOpId listed : line.ops) {
          if (last) needs.push_back({*last, listed});
          last = listed;
        }
      }
      needs_ = NeedLists::ByLater(needs, net_.net.ops.size());
    }
    std::vector<bool>& seen = known->second;
    seen.assign(given_ops_, false);
    std::vector<NetOpId> stack = {op};
    while (!stack.empty()) {
      const NetOpId at = stack.back();
      stack.pop_back();
      for (const NetNeed& need : needs_->of(at)) {
        if (seen[Index(need.earlier)]) continue;
        seen[Index(need.earlier)] = true;
        stack.push_back(need.earlier);
      }
    }
    return seen;
  }
  // Whether `reader` comes after what the schedule lists as `op` in that line, or may, whenever it
  // is carried out: what stands in an arm holds for that arm.
  bool Sees(NetOpId reader, NetOpId op, int64_t line, DefId def) {
    if (reader == op || !IsInside(net_.net, RegionFor(reader, def), net_.net.op(op).region)) {
      return false;
    }
    const int64_t own = LineOf(reader);
    return own != kUnlisted ? own > line : !Before(op)[Index(reader)];
  }

  // The last value of a def in a memory that `reader` sees, if any is left there.
  const Instance* Find(NetOpId reader, DefId def, MemoryId memory) {
    const Instance* best = nullptr;
    for (const Instance& one : instances_[Index(def)]) {
      if (net_.net.value(one.value).memory != memory || one.op == reader) continue;
      if (one.at && *one.at != PlaceOfOp(reader)) continue;
      if (one.line != kUnlisted && !Sees(reader, one.op, one.line, def)) continue;
      if (Evicted(reader, def, memory, one.line) != 0) continue;
      best = &one;
    }
    return best;
  }
  // How many evictions behind `line` the reader sees.
  size_t Evicted(NetOpId reader, DefId def, MemoryId memory, int64_t line) {
    size_t count = 0;
    for (const Eviction& one : evictions_[Index(def)]) {
      const bool counts = one.memory == memory && one.line > line && one.mark != reader;
      if (counts && Sees(reader, one.mark, one.line, def)) ++count;
    }
    return count;
  }

  // --- links ---

  // By two memories, the first link on the shortest way; memories are few.
  void FindLinks() {
    const size_t count = devices_.memories.size();
    next_link_.assign(count * count, nullptr);
    std::vector<size_t> hops(count * count, count + 1);
    for (size_t i = 0; i < count; ++i) hops[i * count + i] = 0;
    for (size_t round = 0; round < count; ++round) {
      for (const Devices::Link& link : devices_.links) {
        for (size_t to = 0; to < count; ++to) {
          const size_t way = 1 + hops[link.to * count + to];
          if (way >= hops[link.from * count + to]) continue;
          hops[link.from * count + to] = way;
          next_link_[link.from * count + to] = &link;
        }
      }
    }
  }
  const Devices::Link* Way(MemoryId from, MemoryId to) const {
    return next_link_[Index(from) * devices_.memories.size() + Index(to)];
  }
  double Seconds(const Devices::Link& link, NetValueId value) const {
    return link.latency_seconds +
           static_cast<double>(net_.net.value(value).bytes) / link.bytes_per_second;
  }

  // --- copies ---

  // A move that nobody wrote, shared by all who read it.
  struct Copy {
    NetValueId from{};
    NetOpId op{};
    std::optional<RegionId> region;  // around all who read it
  };

  RegionId MakerRegion(DefId def) const {
    const std::optional<NetOpId> op = net_.op_of[Index(program_.def(def).maker)];
    return op ? net_.net.op(*op).region : RegionId{};
  }
  // Where it is decided whether a value is read: what merges looks into the arms.
  RegionId RegionFor(NetOpId reader, DefId def) const {
    const NetOp& op = net_.net.op(reader);
    const RegionId maker = MakerRegion(def);
    return op.merges && !IsInside(net_.net, op.region, maker) ? maker : op.region;
  }
  // Where `reader` reads the value of `in`; the id stays if it lies right.
  std::optional<NetValueId> Choose(NetOpId reader, NetValueId in) {
    if (net_.net.value(in).given) return in;
    const DefId def = net_.def_of[Index(in)];
    MemoryId memory = MemoryOf(reader);
    if (IsMove(reader)) {
      const std::optional<MemoryId> source = SourceOf(reader, def);
      if (!source) return std::nullopt;
      memory = *source;
    }
    return Bring(reader, def, memory, RegionFor(reader, def));
  }
  // The value in that memory, moved there if it is not; nothing, and reported, if it cannot be.
  std::optional<NetValueId> Bring(NetOpId reader, DefId def, MemoryId memory, RegionId region) {
    if (const Instance* there = Find(reader, def, memory)) {
      return there->value;
    }
    const Instance* source = nullptr;
    for (const Instance& one : instances_[Index(def)]) {
      const MemoryId from = net_.net.value(one.value).memory;
      if (from == memory || one.at || Way(from, memory) == nullptr) continue;
      if (one.line != kUnlisted && !Sees(reader, one.op, one.line, def)) continue;
      if (Evicted(reader, def, from, one.line) == 0) source = &one;
    }
    if (source == nullptr) {
      ReportNoWay(reader, def, memory);
      return std::nullopt;
    }
    NetValueId value = source->value;
    const size_t epoch = Evicted(reader, def, memory, kUnlisted);
    while (net_.net.value(value).memory != memory) {
      value = CopyOver(*Way(net_.net.value(value).memory, memory), value, epoch, region);
    }
    if (epoch == 0) return value;
    // Behind the eviction, so that there is room meanwhile.
    size_t seen = 0;
    for (const Eviction& one : evictions_[Index(def)]) {
      const bool counts = one.memory == memory && Sees(reader, one.mark, one.line, def);
      if (!counts || ++seen != epoch) continue;
      const NetOpId copy = copies_[copy_of_.at({Index(value), epoch})].op;
      net_.net.orders.push_back({one.mark, copy, NetOrder::Kind::kUser, 0});
    }
    return value;
  }
  NetValueId CopyOver(const Devices::Link& link, NetValueId value, size_t epoch, RegionId region) {
    const auto key = std::tuple(Index(value), size_t{link.to}, epoch);
    const auto known = moved_.find(key);
    size_t copy = copies_.size();
    if (known == moved_.end()) {
      const NetOpId op = net_.AddMove(value, MemoryId(link.to), LinkPlace(devices_, link),
                                      RegionId{}, Seconds(link, value));
      copies_.push_back({value, op, std::nullopt});
      moved_.emplace(key, copy);
      copy_of_.emplace(std::pair(Index(net_.net.op(op).outs[0]), epoch), copy);
    } else {
      copy = known->second;
    }
    std::optional<RegionId>& around = copies_[copy].region;
    around = around ? CommonRegion(net_.net, *around, region) : region;
    return net_.net.op(copies_[copy].op).outs[0];
  }
  // Out of the arms of which the place of a copy would have to hear the condition from elsewhere.
  RegionId Hoisted(RegionId region, RegionId maker, PlaceId place) {
    if (makers_.empty()) makers_ = Makers(net_.net);
    const bool branches = devices_.places[Index(place)].branching != Devices::Branching::kNone;
    RegionId out = region;
    for (RegionId at = region; at != maker;) {
      const NetRegion& arm = net_.net.regions[Index(at)];
      const std::optional<NetOpId> decides =
          arm.condition ? makers_[Index(*arm.condition)] : std::nullopt;
      at = arm.parent;
      if (!branches || (decides && PlaceOfOp(*decides) != place)) out = at;
    }
    return out;
  }
  // Copies run where all who read them do; of a chain of them the first for all.
  void PlaceCopies() {
    for (size_t i = copies_.size(); i-- > 0;) {
      Copy& copy = copies_[i];
      NetOp& op = net_.net.ops[Index(copy.op)];
      op.region =
          Hoisted(*copy.region, MakerRegion(net_.def_of[Index(copy.from)]), op.choices[0].place);
      copy.region = op.region;
      for (Copy& other : copies_) {
        if (net_.net.op(other.op).outs[0] != copy.from) continue;
        other.region = CommonRegion(net_.net, *other.region, *copy.region);
      }
    }
  }

  // --- lines ---

  // Of a listed move the memory that it reads.
  std::optional<MemoryId> SourceOf(NetOpId move, DefId def) {
    NetOp& op = net_.net.ops[Index(move)];
    const MemoryId to = net_.net.value(op.outs[0]).memory;
    const MemoryId home = net_.net.value(instances_[Index(def)].front().value).memory;
    const Devices::Link* best = nullptr;
    for (const Devices::Link& link : devices_.links) {
      if (MemoryId(link.to) != to || LinkPlace(devices_, link) != PlaceOfOp(move)) continue;
      if (best == nullptr || MemoryId(link.from) == home) best = &link;
    }
    op.choices[0].seconds = Seconds(*best, op.ins[0]);
    if (Find(move, def, MemoryId(best->from)) == nullptr && Find(move, def, to) != nullptr &&
        !IsFreed(move, def, to)) {
      const WishedLine& line = wishes_.lines[static_cast<size_t>(LineOf(move))];
      const std::string& memory = net_.net.memories[Index(to)].name;
      out_.Error("I9", line.where,
                 fmt::format("'{}' is in {} already", program_.def(def).name, memory))
          .Help("delete the line");
      return std::nullopt;
    }
    return MemoryId(best->from);
  }

  bool IsFreed(NetOpId reader, DefId def, MemoryId memory) const {
    const auto end = wishes_.lines.begin() + LineOf(reader);
    return std::any_of(wishes_.lines.begin(), end, [&](const WishedLine& line) {
      return line.kind == Kind::kFree && line.def == def && line.memory == memory;
    });
  }

  // What leaves a memory has to be in another one.
  bool Evict(uint32_t number) {
    const WishedLine& line = wishes_.lines[number];
    const NetOpId mark = line.ops.front();
    for (const Instance& one : instances_[Index(line.def)]) {
      const MemoryId memory = net_.net.value(one.value).memory;
      const bool sees = one.line == kUnlisted || Sees(mark, one.op, one.line, line.def);
      if (memory != line.memory && !one.at && sees) return true;
    }
    const Instance* here = Find(mark, line.def, line.memory);
    const std::string& memory = net_.net.memories[Index(line.memory)].name;
    const std::string& name = program_.def(line.def).name;
    if (here == nullptr) {
      out_.Error("I9", line.where, fmt::format("'{}' is not in {}", name, memory))
          .Help("delete the line");
      return false;
    }
    for (const Devices::Link& link : devices_.links) {
      if (MemoryId(link.from) != line.memory) continue;
      if (Way(MemoryId(link.to), line.memory) == nullptr) continue;
      const NetValueId away = CopyOver(link, here->value, 0, line.region);
      const NetOpId op = copies_.back().op;
      net_.net.orders.push_back({op, mark, NetOrder::Kind::kUser, 0});
      instances_[Index(line.def)].push_back({away, mark, int64_t{number}, {}});
      return true;
    }
    out_.Error("I9", line.where,
               fmt::format("'{}' cannot leave {}: no links lead away and back", name, memory))
        .Help(fmt::format("compute it again where it is needed: recompute {};", name));
    return false;
  }

  bool Pin() {
    for (const WishedLine& line : wishes_.lines) {
      if (line.kind != Kind::kPin) continue;
      bool there = false;
      for (const Instance& one : instances_[Index(line.def)]) {
        NetValue& value = net_.net.values[Index(one.value)];
        there = there || value.memory == line.memory;
        value.wanted = value.wanted || value.memory == line.memory;
      }
      for (const Copy& copy : copies_) {
        NetValue& value = net_.net.values[Index(net_.net.op(copy.op).outs[0])];
        if (net_.def_of[Index(copy.from)] != line.def || value.memory != line.memory) continue;
        there = value.wanted = true;
      }
      if (there) continue;
      const auto value = Bring(line.ops.front(), line.def, line.memory, RegionId{});
      if (!value) return false;
      net_.net.values[Index(*value)].wanted = true;
    }
    return true;
  }

  void ReportNoWay(NetOpId reader, DefId def, MemoryId memory) {
    const std::string& to = net_.net.memories[Index(memory)].name;
    const MemoryId home = net_.net.value(instances_[Index(def)].front().value).memory;
    const std::string& from = net_.net.memories[Index(home)].name;
    const std::string message = fmt::format(
        "'{}' on {} needs '{}', and nothing leads from {} to {}", net_.net.op(reader).name,
        net_.net.place(PlaceOfOp(reader)).name, program_.def(def).name, from, to);
    const std::string help =
        fmt::format("declare a link: link {} -> {} = 10us + bytes / 10GB/s;", from, to);
    const int64_t line = LineOf(reader);
    const Span where = line == kUnlisted ? Span{} : wishes_.lines[static_cast<size_t>(line)].where;
    out_.Error("I9", where, message)
        .NoteIn(values_, program_.def(def).where, "what it needs")
        .Help(help);
  }

  const Program& program_;
  const Devices& devices_;
  const SourceText& values_;
  const Wishes& wishes_;
  ProgramNet& net_;
  Diagnostics& out_;
  const size_t given_ops_;
  std::vector<std::vector<Instance>> instances_;  // by def; the first one first
  std::vector<std::vector<Eviction>> evictions_;  // by def, in order
  std::optional<NeedLists> needs_;
  std::map<size_t, std::vector<bool>> before_;
  std::vector<std::optional<NetOpId>> makers_;   // by value
  std::vector<const Devices::Link*> next_link_;  // by two memories
  std::vector<Copy> copies_;
  std::map<std::tuple<size_t, size_t, size_t>, size_t> moved_;  // value, memory, epoch
  std::map<std::pair<size_t, size_t>, size_t> copy_of_;         // its value, epoch
};

}  // namespace

PlaceId LinkPlace(const Devices& devices, const Devices::Link& link) {
  return link.queue ? PlaceId(*link.queue) : PlaceOf(devices, MemoryId(link.from));
}

const Devices::Link* LinkFrom(const Devices& devices, PlaceId place, MemoryId to) {
  for (const Devices::Link& link : devices.links) {
    if (MemoryId(link.to) == to && LinkPlace(devices, link) == place) return &link;
  }
  return nullptr;
}

PlaceId PlaceOf(const Devices& devices, MemoryId memory) {
  const auto computes =
      std::find_if(devices.places.begin(), devices.places.end(), [&](const Devices::Place& place) {
        return MemoryId(place.memory) == memory && place.computes;
      });
  return PlaceId(static_cast<size_t>(computes - devices.places.begin()) % devices.places.size());
}

void TakeListed(const Program& program, const Devices& devices, const SourceText& values,
                const Wishes& wishes, ProgramNet& net, Diagnostics& out) {
  Carrier(program, devices, values, wishes, net, out).TakeListed();
}

bool CarryValues(const Program& program, const Devices& devices, const SourceText& values,
                 const Wishes& wishes, ProgramNet& net, Diagnostics& out) {
  return Carrier(program, devices, values, wishes, net, out).Run();
}

}  // namespace tinyai
