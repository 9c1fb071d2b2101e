#include <utility>

#include "fmt/format.h"
#include "program/wish_reader.h"

namespace tinyai {

WishReader::WishReader(const Program& program, const Devices& devices, const Costs& costs,
                       const SourceText& values, ProgramNet& net, Diagnostics& out)
    : program_(program),
      devices_(devices),
      costs_(program, devices, costs),
      values_(values),
      net_(net),
      out_(out),
      refs_(program, net, values, out),
      gap_open_(devices.places.size(), false) {
  wishes_.open_end.assign(devices.places.size(), true);
  wishes_.has_closed.assign(devices.places.size(), false);
  wishes_.closed_at.resize(devices.places.size());
  pending_.resize(devices.places.size());
  placed_.resize(net.net.ops.size());
}

Wishes WishReader::Read(const Schedule& schedule) {
  size_t lines = 0;  // most of them
  for (const Item& item : schedule.items) {
    if (const auto* block = std::get_if<Block>(&item.what)) {
      CollectFences(block->commands);
      lines += block->commands.size();
    }
  }
  wishes_.lines.reserve(lines);
  for (const Item& item : schedule.items) {
    if (out_.full()) break;
    std::visit([&](const auto& what) { Do(what, item.where); }, item.what);
  }
  FinishLateSyncs();
  FinishWaits();
  CheckPins();
  ReportWaits(wishes_, devices_, written_, early_, out_);
  for (size_t place = 0; place < devices_.places.size(); ++place) {
    wishes_.open_end[place] = gap_open_[place] || !wishes_.has_closed[place];
  }
  wishes_.line_of.resize(net_.net.ops.size());
  return std::move(wishes_);
}

Diagnostic& WishReader::Wrong(std::string code, Span where, std::string message) {
  return out_.Error(std::move(code), where, std::move(message));
}

std::string WishReader::At(Span where) const {
  const Position at = out_.source().At(where.begin);
  return fmt::format("{}:{}", at.line, at.column);
}

void WishReader::Do(const Block& block, Span) {
  const std::optional<PlaceId> place = FindPlace(block.place);
  if (!place) return;
  DoBlock(block, *place, RegionId{});
}

void WishReader::DoBlock(const Block& block, PlaceId place, RegionId region) {
  const size_t at = Index(place);
  if (!block.closed) gap_open_[at] = true;
  if (block.closed && !wishes_.has_closed[at]) wishes_.closed_at[at] = block.where;
  wishes_.has_closed[at] = wishes_.has_closed[at] || block.closed;
  const bool closed = std::exchange(closed_, block.closed);
  const uint32_t around = std::exchange(block_, ++blocks_);
  DoAll(block.commands, place, region);
  block_ = around;
  closed_ = closed;
}

void WishReader::DoAll(const std::vector<Command>& commands, PlaceId place, RegionId region) {
  for (const Command& command : commands) {
    if (out_.full()) return;
    if (!command.attributes->empty()) {
      Wrong("I7", command.attributes->front().where,
            fmt::format("a command of a program has no attribute '{}'",
                        command.attributes->front().name))
          .Help("delete it");
    }
    std::visit([&](const auto& what) { Do(what, place, region, command.where); }, command.what);
  }
}

WishedLine& WishReader::AddLine(Kind kind, PlaceId place, RegionId region, NetOps ops, Span where) {
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

void WishReader::Do(const Block& block, PlaceId, RegionId region, Span) {
  const std::optional<PlaceId> place = FindPlace(block.place);
  if (place) DoBlock(block, *place, region);
}

void WishReader::Do(const cmd::Print& print, PlaceId place, RegionId region, Span where) {
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
  CheckArmOrder(place, region, where);
  AddLine(Kind::kPrint, place, region, {op}, where);
}

void WishReader::CheckArmOrder(PlaceId place, RegionId region, Span where) {
  if (Index(region) == 0) return;
  const ArmPrint now{block_, static_cast<uint32_t>(wishes_.lines.size()), where};
  const auto [known, added] = arm_prints_.try_emplace({Index(place), Index(region)}, now);
  const ArmPrint last = std::exchange(known->second, now);
  if (added || last.block == block_) return;
  for (size_t i = last.line; i < wishes_.lines.size(); ++i) {
    const WishedLine& line = wishes_.lines[i];
    if (line.place != place || !line.fences->empty()) return;
  }
  const NetRegion& arm = net_.net.regions[Index(region)];
  Wrong("A10", where,
        fmt::format("arm order not determined: two blocks of {} print where {}{}{} ({}, {})",
                    NameOf(place), arm.arm ? "" : "!(", arm.name, arm.arm ? "" : ")",
                    At(last.where), At(where)))
      .NoteAt(last.where, "the other print")
      .Help("list both in one block");
}

void WishReader::Do(const cmd::If& branch, PlaceId place, RegionId region, Span where) {
  const std::optional<ResolvedBranch> found = refs_.ResolveBranch(branch, region, where);
  if (!found) return;
  wishes_.conditions.try_emplace(found->branch, branch.condition);
  DoAll(branch.then, place, found->then);
  if (branch.otherwise) DoAll(*branch.otherwise, place, found->otherwise);
}

void WishReader::Do(const cmd::Loop& loop, PlaceId place, RegionId region, Span where) {
  for (const ProgramNet::Placed& placed : net_.placed) {
    if (LoopName(program_, program_.loops[placed.loop]) != loop.name) continue;
    for (const NetOpId member : placed.members) {
      const bool listed =
          Index(member) < wishes_.line_of.size() && wishes_.line_of[Index(member)].has_value();
      if (listed || net_.net.op(member).choices.front().place != place) continue;
      AddLine(Kind::kEvaluate, place, region, {member}, where);
    }
    return;
  }
  Wrong("I7", where, fmt::format("the program has no loop '{}' here", loop.name))
      .Help("a loop is called by the name of its index");
}

Wishes ReadWishes(const Program& program, const Devices& devices, const Costs& costs,
                  const Schedule& schedule, const SourceText& values, ProgramNet& net,
                  Diagnostics& out) {
  return WishReader(program, devices, costs, values, net, out).Read(schedule);
}

}  // namespace tinyai
