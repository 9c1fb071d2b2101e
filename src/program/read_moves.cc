#include <algorithm>

#include "base/units.h"
#include "fmt/format.h"
#include "program/links.h"
#include "program/speculate.h"
#include "program/wish_reader.h"

namespace tinyai {
namespace {

WishedLine::Kind KindOf(cmd::Verb verb) {
  switch (verb) {
    case cmd::Verb::kPrefetch:
      return WishedLine::Kind::kPrefetch;
    case cmd::Verb::kEvict:
      return WishedLine::Kind::kEvict;
    case cmd::Verb::kPin:
      return WishedLine::Kind::kPin;
    case cmd::Verb::kFree:
      return WishedLine::Kind::kFree;
    default:
      return WishedLine::Kind::kEvaluate;
  }
}

}  // namespace

void WishReader::Do(const cmd::Work& work, PlaceId place, RegionId region, Span where) {
  const MemoryId memory = net_.net.place(place).memory;
  switch (work.verb) {
    case cmd::Verb::kEvaluate: {
      std::optional<ResolvedRef> ref = refs_.Resolve(work.ref, region);
      if (ref && !ComputeBoth(*ref, region, where)) return;
      if (ref && Put(*ref, place, where, true)) {
        AddLine(Kind::kEvaluate, place, region, std::move(ref->ops), where);
      }
      return;
    }
    case cmd::Verb::kRecompute:
      return Again(work.ref, place, region, where);
    case cmd::Verb::kPrefetch:
      return MoveTo(work.ref, memory, Kind::kPrefetch, place, region, where);
    case cmd::Verb::kEvict:
    case cmd::Verb::kPin:
    case cmd::Verb::kFree:
      return Keep(work, place, region, where);
    case cmd::Verb::kLoad:
      Wrong("I9", where, "'load' reads weights of models, and a program has none")
          .Help(fmt::format("what a program reads is input(); to have '{0}' in the memory of {1}: "
                            "move {0} -> {1};",
                            RefText(work.ref), NameOf(place)));
      return;
  }
}

void WishReader::Keep(const cmd::Work& work, PlaceId place, RegionId region, Span where) {
  const std::optional<DefId> def = ResolveMade(work.ref, region);
  if (!def) return;
  const std::string& name = program_.def(*def).name;
  const Kind kind = KindOf(work.verb);
  if (kind == Kind::kPin && (Index(region) != 0 || InArm(*def))) {
    Wrong("I9", where, fmt::format("'{}' is there in one arm only", name))
        .Help("pin what is there on every path");
    return;
  }
  const MemoryId memory = net_.net.place(place).memory;
  const auto done = [](Kind what) {
    return what == Kind::kPin ? "pinned" : what == Kind::kFree ? "freed" : "evicted";
  };
  for (const WishedLine& other : wishes_.lines) {
    const bool leaves = other.kind == Kind::kFree || other.kind == Kind::kEvict;
    const bool both = kind == Kind::kPin ? leaves : other.kind == Kind::kPin;
    if (!both || other.def != *def || other.memory != memory) continue;
    Wrong("A1", where,
          fmt::format("'{}' is both pinned and {} ({}, {})", name,
                      done(kind == Kind::kPin ? other.kind : kind), At(other.where), At(where)))
        .NoteAt(other.where, fmt::format("{} here", done(other.kind)))
        .Help("delete one");
    return;
  }
  const std::string_view word = kind == Kind::kPin ? "pin" : kind == Kind::kFree ? "free" : "evict";
  WishedLine& line = AddLine(
      kind, place, region, {net_.AddMark(place, region, fmt::format("{} {}", word, name))}, where);
  line.def = *def;
  line.memory = memory;
  std::get<work::Mark>(net_.work[Index(line.ops.front())]).frees = kind == Kind::kFree;
}

bool WishReader::ComputeBoth(const ResolvedRef& ref, RegionId region, Span where) {
  const NetOpId op = ref.ops.front();
  const RegionId now = net_.net.op(op).region;
  if (!IsInside(net_.net, now, region)) {
    Wrong("A1", where,
          fmt::format("'{}' is computed whichever arm is taken, as an earlier line says",
                      RefText(*ref.written)))
        .Help("list it outside of the 'if', as '@then' or '@else'");
    return false;
  }
  if (!ref.speculates || now == region) return true;
  const Branch& branch = program_.branches[*ref.speculates];
  if (!CanSpeculate(program_, net_, *ref.speculates)) {
    Wrong("I9", where, fmt::format("both arms of 'if ({})' cannot be computed", branch.text))
        .NoteIn(values_, branch.where, "the condition")
        .Help(fmt::format("list '{}' in its arm: if ({}) {{ .. }}", RefText(*ref.written),
                          branch.text));
    return false;
  }
  Speculate(*ref.speculates, net_);
  return true;
}

bool WishReader::InArm(DefId def) const {
  return Index(net_.net.op(*net_.MakerOf(program_, def)).region) != 0;
}

std::optional<DefId> WishReader::ResolveMade(const Ref& ref, RegionId region) {
  const std::optional<DefId> def = refs_.ResolveValue(ref, region);
  if (!def || net_.MakerOf(program_, *def)) return def;
  Wrong("I9", ref.where, fmt::format("'{}' is computed outside of the loop", RefText(ref)))
      .Help("write this outside of the loop");
  return std::nullopt;
}

void WishReader::Again(const Ref& written, PlaceId place, RegionId region, Span where) {
  const std::optional<DefId> def = ResolveMade(written, region);
  if (!def) return;
  const Eval& eval = program_.eval(program_.def(*def).maker);
  const NetOpId id = *net_.MakerOf(program_, *def);
  const std::string text = RefText(written);
  if (!std::holds_alternative<work::Evaluate>(net_.work[Index(id)])) {
    Wrong("I9", where, fmt::format("'{}' is carried by a loop", text))
        .Help("recompute what it is made of");
    return;
  }
  if (eval.kind == Eval::Kind::kMerge) {
    Wrong("I9", where, fmt::format("'{}' is what the arms of an 'if' make", text))
        .Help("recompute in each arm what that needs");
    return;
  }
  if (eval.input || eval.output) {
    Wrong("I9", where, fmt::format("'{}' needs input(), which is read once", text))
        .NoteIn(values_, eval.where, "defined here")
        .Help(fmt::format("move {} -> {};", text, NameOf(place)));
    return;
  }
  if (!CanRun(program_, eval, devices_, static_cast<uint32_t>(place))) {
    CheckCanRun(id, {{id}, &written}, place, where);
    return;
  }
  const NetOpId again = net_.AddAgain(id, {place, costs_.Seconds(eval, Index(place)), 0}, region);
  AddLine(Kind::kAgain, place, region, {again}, where).def = eval.outs.front();
}

void WishReader::Do(const cmd::Move& move, PlaceId place, RegionId region, Span where) {
  const std::optional<PlaceId> to = FindPlace(move.to);
  if (!to) return;
  MoveTo(move.ref, net_.net.place(*to).memory, Kind::kMove, place, region, where);
  if (out_.has_errors()) return;
  wishes_.lines.back().to = move.to;
}

void WishReader::MoveTo(const Ref& written, MemoryId memory, Kind kind, PlaceId place,
                        RegionId region, Span where) {
  const std::optional<DefId> def = ResolveMade(written, region);
  if (!def) return;
  const NetValueId value = *net_.value_of[Index(*def)];
  if (LinkFrom(devices_, place, memory) == nullptr) {
    ReportNoLink(*def, memory, kind, place, where);
    return;
  }
  const NetOpId op = net_.AddMove(value, memory, place, region, 0);
  WishedLine& line = AddLine(kind, place, region, {op}, where);
  line.def = *def;
  line.memory = memory;
}

void WishReader::ReportNoLink(DefId def, MemoryId memory, Kind kind, PlaceId place, Span where) {
  const std::string& to = devices_.memories[Index(memory)].name;
  const std::string& name = program_.def(def).name;
  Diagnostic& error = Wrong("I9", where, fmt::format("{} moves nothing to {}", NameOf(place), to));
  for (const Devices::Link& link : devices_.links) {
    if (MemoryId(link.to) != memory) continue;
    const std::string& who = NameOf(LinkPlace(devices_, link));
    error.Help(fmt::format("{} does: {} {{ move {} -> {}; }}", who, who, name,
                           kind == Kind::kPrefetch ? NameOf(place) : to));
    return;
  }
  error.Help(devices_.memories.size() == 1
                 ? fmt::format("delete it: all values are in {}", to)
                 : fmt::format("declare a link: link .. -> {} = 10us + bytes / 10GB/s;", to));
}

// I12
void WishReader::CheckPins() {
  for (size_t memory = 0; memory < net_.net.memories.size(); ++memory) {
    std::string names;
    uint64_t bytes = 0;
    Span last;
    std::set<DefId> pinned;
    for (const WishedLine& line : wishes_.lines) {
      if (line.kind != Kind::kPin || Index(line.memory) != memory) continue;
      if (!pinned.insert(line.def).second) continue;
      bytes += ByteSize(program_.def(line.def).type);
      names += (names.empty() ? "" : ", ") + program_.def(line.def).name;
      last = line.where;
    }
    const NetMemory& in = net_.net.memories[memory];
    if (bytes <= in.budget_bytes) continue;
    Wrong("I12", last,
          fmt::format("pinned set exceeds the budget of {} by {}: {}", in.name,
                      FormatByteSize(bytes - in.budget_bytes), names))
        .Help(fmt::format("pin less, or raise the budget to {}", FormatByteSize(bytes)));
  }
}

}  // namespace tinyai
