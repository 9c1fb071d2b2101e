#include <algorithm>

#include "fmt/format.h"
#include "lang/nearest_name.h"
#include "program/wish_reader.h"

namespace tinyai {
namespace {

std::string Joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

}  // namespace

void WishReader::CollectFences(const std::vector<Command>& commands) {
  for (const Command& command : commands) {
    if (const auto* block = std::get_if<Block>(&command.what)) CollectFences(block->commands);
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

void WishReader::Do(const cmd::Fence& fence, PlaceId place, RegionId region, Span where) {
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

void WishReader::Do(const cmd::Sync& sync, PlaceId place, RegionId region, Span where) {
  std::vector<const Wishes::Fence*> targets;
  std::vector<std::string> names;
  bool hand_off = false;
  std::vector<uint32_t> distances;
  std::vector<const cmd::Sync::Target*> now;
  for (const cmd::Sync::Target& target : sync.targets) {
    names.push_back(target.fence);
    distances.push_back(target.distance);
    if (target.distance != 0) {
      if (net_.loop && target.distance == 1) continue;
      Wrong("I9", target.where,
            net_.loop ? "a loop looks back one iteration" : "only loops look back an iteration")
          .Help(fmt::format("write sync({}{})", target.fence, net_.loop ? "@-1" : ""));
      return;
    }
    Wishes::Fence* fence = FindFence(target, place);
    if (fence == nullptr || !CheckReached(*fence, target, region)) return;
    now.push_back(&target);
    fence->waited_for = true;
    hand_off = hand_off || fence->place == place;
    targets.push_back(fence);
  }
  if (hand_off) {
    if (names.size() > 1) {
      Wrong("I9", where, "a block hands on one fence at a time").Help("write two syncs");
      return;
    }
    HandOff(*targets[0], names[0], place, region, where);
    return;
  }
  const NetOpId mark = net_.AddMark(place, region, "sync(" + Joined(names) + ")");
  for (size_t i = 0; i < targets.size(); ++i) {
    if (!CheckStale(*targets[i], *now[i], place, region)) return;
    net_.net.fixed_syncs.push_back({targets[i]->mark, mark});
  }
  for (const cmd::Sync::Target& target : sync.targets) {
    if (target.distance != 0) late_.push_back({target, mark, place});
  }
  WishedLine& line = AddLine(Kind::kSync, place, region, {mark}, where);
  line.fences = names;
  line.distances = distances;
}

void WishReader::FinishLateSyncs() {
  for (const LateSync& one : late_) {
    Wishes::Fence* fence = FindFence(one.target, one.place);
    if (fence == nullptr) continue;
    if (fence->place == one.place) {
      Wrong("I6", one.target.where,
            fmt::format("stale sync: {} itself records fence {}", NameOf(one.place),
                        one.target.fence))
          .NoteAt(fence->where, "the fence")
          .Help("delete the sync");
      continue;
    }
    fence->waited_for = true;
    net_.net.fixed_syncs.push_back({fence->mark, one.mark, one.target.distance});
  }
}

void WishReader::HandOff(const Wishes::Fence& fence, const std::string& name, PlaceId place,
                         RegionId region, Span where) {
  const NetOpId mark = net_.AddMark(place, region, "sync(" + name + ")");
  AddLine(Kind::kHandOff, place, region, {mark}, where).fences = std::vector{name};
  for (size_t other = 0; other < devices_.places.size(); ++other) {
    if (PlaceId(other) == place) continue;
    std::vector<Pending>& pending = pending_[other];
    std::erase_if(pending, [&](const Pending& one) { return one.fence->place == place; });
    pending.push_back({&fence, name, where});
  }
}

void WishReader::WaitBefore(PlaceId place) {
  if (pending_[Index(place)].empty()) return;
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
    line.fences = std::vector{one.name};
    line.where = one.where;
  }
}

void WishReader::FinishWaits() {
  for (size_t place = 0; place < pending_.size(); ++place) {
    std::erase_if(pending_[place], [&](const Pending& one) { return taken_.contains(one.name); });
    if (devices_.places[place].effects) WaitBefore(PlaceId(place));
  }
}

Wishes::Fence* WishReader::FindFence(const cmd::Sync::Target& target, PlaceId place) {
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

bool WishReader::CheckReached(const Wishes::Fence& fence, const cmd::Sync::Target& target,
                              RegionId region) {
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

bool WishReader::CheckStale(const Wishes::Fence& fence, const cmd::Sync::Target& target,
                            PlaceId place, RegionId region) {
  const auto key = std::pair(Index(place), Index(fence.place));
  const auto known = synced_.find(key);
  if (known != synced_.end() && known->second.first >= fence.line) {
    const Wishes::Fence& newer = *known->second.second;
    if (!IsInside(net_.net, region, known->second.region)) {
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
        same ? fmt::format("stale sync: fence {} ({}) is already synced on {}", target.fence,
                           At(fence.where), NameOf(place))
             : fmt::format("stale sync: fence {} ({}) precedes {} ({}), already synced on {}",
                           target.fence, At(fence.where), *wishes_.lines[known->second.first].fence,
                           At(newer.where), NameOf(place));
    Wrong("I6", target.where, std::move(message))
        .NoteAt(fence.where, "the fence")
        .Help("delete the sync");
    return false;
  }
  synced_[key] = {fence.line, &fence, region, target.where};
  return true;
}

}  // namespace tinyai
