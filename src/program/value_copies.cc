#include "program/value_copies.h"

namespace tinyai {

using Held = HeldValues::Held;

// The arms in which something is there, or would be if more read it.
RegionId ValueCopies::RegionOf(const Held& held) const {
  return held.epoch ? copies_[index_.at(held.value)].from_region : net_.net.op(held.op).region;
}

bool ValueCopies::CanTake(const Held& held, RegionId region) {
  if (!held.epoch) return true;
  const Copy& copy = copies_[index_.at(held.value)];
  const RegionId all = copy.region ? CommonRegion(net_.net, *copy.region, region) : region;
  const DefId def = net_.def_of[Index(held.value)];
  const PlaceId place = net_.net.op(copy.op).choices.front().place;
  return IsInside(net_.net, Hoisted(all, held_.MakerRegion(def), place), copy.from_region);
}

NetValueId ValueCopies::Take(const Held& held, RegionId region) {
  if (held.epoch) {
    std::optional<RegionId>& around = copies_[index_.at(held.value)].region;
    around = around ? CommonRegion(net_.net, *around, region) : region;
  }
  return held.value;
}

bool ValueCopies::CanCopy(const Held& held, const Devices::Link& link, DefId def, RegionId region) {
  const RegionId hoisted = Hoisted(region, held_.MakerRegion(def), LinkPlace(devices_, link));
  return IsInside(net_.net, hoisted, RegionOf(held));
}

NetValueId ValueCopies::Add(const Devices::Link& link, NetValueId value, NetOpId reader, DefId def,
                            RegionId region) {
  Copy copy{value, {}, region, {}};
  for (const Held& one : held_.All(def)) {
    if (one.value == value) copy.from_region = RegionOf(one);
  }
  const auto to = MemoryId(link.to);
  const size_t epoch = held_.Left(reader, def, to);
  copy.op = net_.AddMove(value, to, LinkPlace(devices_, link), RegionId{},
                         CopySeconds(link, net_.net.value(value).bytes));
  const NetValueId out = net_.net.op(copy.op).outs[0];
  const HeldValues::Moment since =
      held_.IsListed(def) ? held_.MomentFor(reader, def) - 1 : HeldValues::kStart;
  held_.Add(def, {out, copy.op, since, {}, epoch});
  index_.emplace(out, copies_.size());
  copies_.push_back(copy);
  return out;
}

RegionId ValueCopies::Hoisted(RegionId region, RegionId maker, PlaceId place) {
  if (makers_.empty()) makers_ = Makers(net_.net);
  const bool branches = devices_.places[Index(place)].branching != Devices::Branching::kNone;
  RegionId out = region;
  for (RegionId at = region; at != maker && at != RegionId{};) {
    const NetRegion& arm = net_.net.regions[Index(at)];
    const std::optional<NetOpId> decides =
        arm.condition ? makers_[Index(*arm.condition)] : std::nullopt;
    at = arm.parent;
    const bool hears = decides && net_.net.op(*decides).choices.front().place != place;
    if (!branches || hears) out = at;
  }
  return out;
}

// Of a chain of copies the first for all.
void ValueCopies::Place() {
  for (size_t i = copies_.size(); i-- > 0;) {
    Copy& copy = copies_[i];
    NetOp& op = net_.net.ops[Index(copy.op)];
    op.region = Hoisted(*copy.region, held_.MakerRegion(net_.def_of[Index(copy.from)]),
                        op.choices[0].place);
    copy.region = op.region;
    const auto first = index_.find(copy.from);
    if (first == index_.end()) continue;
    std::optional<RegionId>& around = copies_[first->second].region;
    around = CommonRegion(net_.net, *around, *copy.region);
  }
}

}  // namespace tinyai
