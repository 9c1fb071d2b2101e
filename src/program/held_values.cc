#include "program/held_values.h"

#include <algorithm>

namespace tinyai {

using Kind = WishedLine::Kind;

HeldValues::HeldValues(const Program& program, const Wishes& wishes, const ProgramNet& net,
                       size_t ops)
    : program_(program),
      wishes_(wishes),
      net_(net),
      ops_(ops),
      held_(program.defs.size()),
      evictions_(program.defs.size()),
      frees_(program.defs.size()),
      brought_(program.defs.size()) {
  for (size_t i = 0; i < ops; ++i) {
    const NetOpId op = NetOpId(i);
    const auto* evaluate = std::get_if<work::Evaluate>(&net.work[i]);
    const bool again = evaluate != nullptr && evaluate->again;
    const bool extra = again || std::holds_alternative<work::Move>(net.work[i]);
    for (const NetValueId out : net.net.ops[i].outs) {
      Held held;
      held.value = out;
      held.op = op;
      if (extra) held.since = ListedAt(op).value_or(kStart);
      held.again = again;
      if (again) held.at = PlaceOf(op);
      const DefId def = net.def_of[Index(out)];
      Add(def, held);
      if (held.since == kStart) continue;
      brought_[Index(def)].push_back({op, held.since, net.net.value(out).memory});
    }
  }
  const auto earlier = [](const auto& a, const auto& b) { return a.since < b.since; };
  for (std::vector<Held>& all : held_) std::stable_sort(all.begin(), all.end(), earlier);
  for (size_t i = 0; i < wishes.lines.size(); ++i) {
    const WishedLine& line = wishes.lines[i];
    const Line one{line.ops.front(), MomentOf(i), line.memory};
    if (line.kind == Kind::kEvict) evictions_[Index(line.def)].push_back(one);
    if (line.kind == Kind::kFree) frees_[Index(line.def)].push_back(one);
  }
}

void HeldValues::Return(DefId def, NetOpId move) {
  for (Line& line : brought_[Index(def)]) line.returns = line.returns || line.op == move;
  for (Held& held : held_[Index(def)]) held.returns = held.returns || held.op == move;
}

void HeldValues::Moves(DefId def, NetOpId move, NetValueId from) {
  std::vector<Held>& all = held_[Index(def)];
  const bool again = std::any_of(all.begin(), all.end(),
                                 [&](const Held& one) { return one.value == from && one.again; });
  for (Held& held : all) held.again = held.again || (again && held.op == move);
}

std::optional<HeldValues::Moment> HeldValues::ListedAt(NetOpId op) const {
  const size_t i = Index(op);
  if (i >= wishes_.line_of.size() || !wishes_.line_of[i]) return std::nullopt;
  return MomentOf(*wishes_.line_of[i]);
}

// What has to come before an op of the schedule, with all that the text lists before.
const std::vector<bool>& HeldValues::Before(NetOpId op) {
  const auto [known, added] = before_.try_emplace(op);
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
  seen.assign(net_.net.ops.size(), false);
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

HeldValues::Moment HeldValues::MomentFor(NetOpId op, DefId def) {
  if (const auto listed = ListedAt(op)) return *listed;
  Moment first = kEnd;
  for (const std::vector<Line>* lines : {&evictions_[Index(def)], &brought_[Index(def)]}) {
    for (const Line& line : *lines) {
      if (line.when < first && Before(line.op)[Index(op)]) first = line.when;
    }
  }
  return first;
}

RegionId HeldValues::MakerRegion(DefId def) const {
  const std::optional<NetOpId> op = net_.op_of[Index(program_.def(def).maker)];
  return op ? net_.net.op(*op).region : RegionId{};
}

RegionId HeldValues::RegionFor(NetOpId reader, DefId def) const {
  const NetOp& op = net_.net.op(reader);
  const RegionId maker = MakerRegion(def);
  return op.merges && !IsInside(net_.net, op.region, maker) ? maker : op.region;
}

bool HeldValues::MergesBy(NetOpId op, DefId condition) const {
  const auto* evaluate = std::get_if<work::Evaluate>(&net_.work[Index(op)]);
  if (evaluate == nullptr || !net_.net.op(op).merges) return false;
  return program_.branches[program_.eval(evaluate->eval).index].condition == condition;
}

bool HeldValues::Sees(NetOpId reader, DefId def, NetOpId line, Moment when) {
  return reader != line && when < MomentFor(reader, def) &&
         IsInside(net_.net, RegionFor(reader, def), net_.net.op(line).region);
}

size_t HeldValues::Left(NetOpId reader, DefId def, MemoryId memory, Moment since) {
  size_t count = 0;
  for (const Line& one : Evictions(def)) {
    if (one.memory == memory && one.when > since && Sees(reader, def, one.op, one.when)) ++count;
  }
  return count;
}

bool HeldValues::IsThere(NetOpId reader, DefId def, const Held& held) {
  if (held.op == reader) return false;
  const MemoryId memory = net_.net.value(held.value).memory;
  if (held.epoch) {
    return held.since <= MomentFor(reader, def) && Left(reader, def, memory) == *held.epoch;
  }
  if (held.since != kStart && !Sees(reader, def, held.op, held.since)) return false;
  return Left(reader, def, memory, held.since) == 0;
}

bool HeldValues::WasFreed(NetOpId reader, DefId def, MemoryId memory, Moment since) const {
  const auto listed = ListedAt(reader);
  const auto ends = [&](const Line& line) {
    return line.memory == memory && line.when > since && listed && line.when < *listed &&
           IsInside(net_.net, RegionFor(reader, def), net_.net.op(line.op).region);
  };
  return std::any_of(frees_[Index(def)].begin(), frees_[Index(def)].end(), ends);
}

const HeldValues::Held* HeldValues::Find(NetOpId reader, DefId def, MemoryId memory) {
  const bool merges = MergesBy(reader, def);
  const bool moves = std::holds_alternative<work::Move>(net_.work[Index(reader)]);
  const Held *first = nullptr, *freed = nullptr, *last = nullptr, *again = nullptr;
  for (const Held& one : All(def)) {
    if (net_.net.value(one.value).memory != memory) continue;
    if (one.at && *one.at != PlaceOf(reader)) continue;
    if (merges && one.again) continue;
    if (!IsThere(reader, def, one)) continue;
    if (IsFreed(reader, def, one)) {
      freed = &one;
    } else if (one.at && moves) {
      again = &one;
    } else if (one.at || one.returns) {
      last = &one;
    } else if (first == nullptr || one.since < first->since) {
      first = &one;
    }
  }
  for (const Held* one : {last, first, again}) {
    if (one != nullptr) return one;
  }
  return freed;
}

}  // namespace tinyai
