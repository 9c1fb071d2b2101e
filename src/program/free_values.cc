#include "program/free_values.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

namespace tinyai {
namespace {

using Kind = WishedLine::Kind;

class Freer {
 public:
  Freer(const Program& program, const SourceText& values, const Wishes& wishes, ProgramNet& net,
        Diagnostics& out)
      : program_(program), values_(values), wishes_(wishes), net_(net), out_(out) {}

  bool Run() {
    for (uint32_t i = 0; i < wishes_.lines.size(); ++i) {
      const WishedLine& line = wishes_.lines[i];
      if (line.kind == Kind::kFree) frees_[line.def].push_back({i, false});
      if (line.kind == Kind::kEvict) added_.push_back({MakerOf(line.def), i});
    }
    if (frees_.empty() && added_.empty()) return true;
    makers_ = Makers(net_.net);
    return CheckLeaving() && PutUsersBefore() && CheckThere() && CheckOrder();
  }

 private:
  struct Free {
    uint32_t line = 0;
    bool there = false;  // the value, in that memory
  };
  // What comes before a line, though nothing of the text says so.
  struct Added {
    NetOpId user{};
    uint32_t line = 0;
  };

  std::optional<uint32_t> LineOf(NetOpId op) const {
    return Index(op) < wishes_.line_of.size() ? wishes_.line_of[Index(op)] : std::nullopt;
  }
  NetOpId MakerOf(DefId def) const { return *net_.op_of[Index(program_.def(def).maker)]; }
  NetOpId MarkOf(uint32_t line) const { return wishes_.lines[line].ops.front(); }
  const std::string& NameOf(DefId def) const { return program_.def(def).name; }
  const std::string& NameOf(NetOpId op) const { return net_.net.op(op).name; }
  const std::string& NameOf(MemoryId memory) const { return net_.net.memories[Index(memory)].name; }
  std::string At(Span where) const {
    const Position at = out_.source().At(where.begin);
    return fmt::format("{}:{}", at.line, at.column);
  }

  // Whether two regions are, or are in, the two arms of one `if`.
  bool AreApart(RegionId a, RegionId b) const {
    for (; Index(a) != 0; a = net_.net.regions[Index(a)].parent) {
      const NetRegion& arm = net_.net.regions[Index(a)];
      for (RegionId at = b; Index(at) != 0; at = net_.net.regions[Index(at)].parent) {
        const NetRegion& other = net_.net.regions[Index(at)];
        const bool same = arm.parent == other.parent && arm.condition == other.condition;
        if (same && arm.arm != other.arm) return true;
      }
    }
    return false;
  }
  // Brings a value to a memory once more.
  static bool Brings(const WishedLine& line) {
    return line.kind == Kind::kAgain || line.kind == Kind::kMove || line.kind == Kind::kPrefetch;
  }

  // Nothing leaves that was freed before. What was sent away comes back for whoever needs it.
  bool CheckLeaving() {
    std::map<std::pair<DefId, MemoryId>, std::vector<const WishedLine*>> left;
    for (const WishedLine& line : wishes_.lines) {
      if (Brings(line)) {
        left.erase({line.def, net_.net.value(net_.net.op(line.ops.front()).outs[0]).memory});
      }
      if (line.kind != Kind::kFree && line.kind != Kind::kEvict) continue;
      std::vector<const WishedLine*>& before = left[{line.def, line.memory}];
      for (const WishedLine* const other : before) {
        if (AreApart(other->region, line.region)) continue;
        out_.Error("I9", line.where,
                   fmt::format("'{}' has left {} before ({})", NameOf(line.def),
                               NameOf(line.memory), At(other->where)))
            .NoteAt(other->where, "here")
            .Help("delete one");
        return false;
      }
      if (line.kind == Kind::kFree) before.push_back(&line);
    }
    return true;
  }

  bool PutUsersBefore() {
    for (size_t i = 0; i < net_.net.ops.size(); ++i) {
      for (const NetValueId value : net_.net.ops[i].outs) {
        if (!PutBefore(NetOpId(i), value, true)) return false;
      }
      for (const NetValueId value : net_.net.ops[i].ins) {
        if (!PutBefore(NetOpId(i), value, false)) return false;
      }
    }
    return true;
  }
  bool PutBefore(NetOpId user, NetValueId value, bool makes) {
    const auto frees = frees_.find(net_.def_of[Index(value)]);
    if (frees == frees_.end()) return true;
    const std::optional<NetOpId> maker = makers_[Index(value)];
    const auto made = maker ? LineOf(*maker) : std::nullopt;
    for (Free& free : frees->second) {
      const WishedLine& line = wishes_.lines[free.line];
      if (net_.net.value(value).memory != line.memory) continue;
      if (made && *made > free.line && Brings(wishes_.lines[*made])) continue;
      if (AreApart(net_.net.op(user).region, line.region)) continue;
      free.there = free.there || makes;
      const auto listed = LineOf(user);
      if (listed && *listed > free.line) return ReportLate(user, makes, line);
      if (!listed) added_.push_back({user, free.line});
      net_.net.orders.push_back({user, MarkOf(free.line), NetOrder::Kind::kUser, 0});
    }
    return true;
  }
  bool ReportLate(NetOpId user, bool makes, const WishedLine& line) {
    const std::string& name = NameOf(line.def);
    const Eval& eval = program_.eval(program_.def(line.def).maker);
    const bool again = !makes && !eval.input && eval.kind == Eval::Kind::kCompute;
    const std::string freed = At(line.where);
    out_.Error("I3", wishes_.lines[*LineOf(user)].where,
               makes ? fmt::format("'{}' is computed after it is freed ({})", name, freed)
                     : fmt::format("'{}' needs '{}', which is freed before ({})", NameOf(user),
                                   name, freed))
        .NoteAt(line.where, "freed here")
        .Help(fmt::format("list 'free {};' behind it{}", name,
                          again ? fmt::format(", or 'recompute {};' in front of it", name) : ""));
    return false;
  }

  bool CheckThere() {
    for (const auto& [def, frees] : frees_) {
      for (const Free& free : frees) {
        if (free.there) continue;
        const WishedLine& line = wishes_.lines[free.line];
        out_.Error("I9", line.where,
                   fmt::format("'{}' is not in {}", NameOf(def), NameOf(line.memory)))
            .Help("delete the line");
        return false;
      }
    }
    return true;
  }

  // Nothing comes before a line that has to come behind it.
  bool CheckOrder() {
    std::vector<NetNeed> needs = Needs(net_.net);
    std::erase_if(needs, [](const NetNeed& need) { return need.distance != 0; });
    const NeedLists after = NeedLists::ByEarlier(needs, net_.net.ops.size());
    std::vector<uint32_t> missing(net_.net.ops.size(), 0);
    for (const NetNeed& need : needs) ++missing[Index(need.later)];
    std::vector<NetOpId> ready;
    for (size_t i = 0; i < missing.size(); ++i) {
      if (missing[i] == 0) ready.push_back(NetOpId(i));
    }
    for (size_t i = 0; i < ready.size(); ++i) {
      for (const NetNeed& need : after.of(ready[i])) {
        if (--missing[Index(need.later)] == 0) ready.push_back(need.later);
      }
    }
    if (ready.size() == missing.size()) return true;
    std::vector<NetOpId> shortest;
    uint32_t line = 0;
    for (const Added& added : added_) {
      if (missing[Index(added.user)] == 0 || missing[Index(MarkOf(added.line))] == 0) continue;
      std::vector<NetOpId> way = Way(after, MarkOf(added.line), added.user);
      if (way.empty() || (!shortest.empty() && way.size() >= shortest.size())) continue;
      shortest = std::move(way);
      line = added.line;
    }
    return shortest.empty() || ReportOrder(shortest, wishes_.lines[line]);
  }
  // Behind `from`, up to `to`; empty: there is none.
  std::vector<NetOpId> Way(const NeedLists& after, NetOpId from, NetOpId to) const {
    std::vector<std::optional<NetOpId>> came(net_.net.ops.size());
    std::vector<NetOpId> queue = {from}, way;
    for (size_t i = 0; i < queue.size() && !came[Index(to)]; ++i) {
      for (const NetNeed& need : after.of(queue[i])) {
        if (came[Index(need.later)] || need.later == from) continue;
        came[Index(need.later)] = queue[i];
        queue.push_back(need.later);
      }
    }
    if (!came[Index(to)]) return {};
    for (NetOpId at = to; at != from; at = *came[Index(at)]) way.insert(way.begin(), at);
    return way;
  }
  bool ReportOrder(const std::vector<NetOpId>& way, const WishedLine& line) {
    std::vector<std::string_view> names;
    for (const NetOpId op : way) names.push_back(NameOf(op));
    const std::string& name = NameOf(line.def);
    const std::string& user = NameOf(way.back());
    const bool frees = line.kind == Kind::kFree;
    const std::string cycle =
        fmt::format("{} {} -> {}", frees ? "free" : "evict", name, fmt::join(names, " -> "));
    Diagnostic& error =
        way.back() == MakerOf(line.def)
            ? out_.Error("I3", line.where,
                         fmt::format("'{}' leaves before it is there: {}", name, cycle))
            : out_.Error("I3", line.where,
                         fmt::format("'{}' needs '{}' and comes after it is freed: {}", user, name,
                                     cycle));
    error.NoteIn(values_, program_.def(line.def).where, fmt::format("'{}' is computed here", name))
        .Help(fmt::format("{} it behind '{}'", frees ? "free" : "evict", user));
    return false;
  }

  const Program& program_;
  const SourceText& values_;
  const Wishes& wishes_;
  ProgramNet& net_;
  Diagnostics& out_;
  std::map<DefId, std::vector<Free>> frees_;    // in the order of the text
  std::vector<std::optional<NetOpId>> makers_;  // by value
  std::vector<Added> added_;
};

}  // namespace

bool EndFreed(const Program& program, const SourceText& values, const Wishes& wishes,
              ProgramNet& net, Diagnostics& out) {
  return Freer(program, values, wishes, net, out).Run();
}

}  // namespace tinyai
