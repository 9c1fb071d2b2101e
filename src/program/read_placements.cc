#include <algorithm>

#include "fmt/format.h"
#include "lang/nearest_name.h"
#include "lang/number.h"
#include "lang/print_schedule.h"
#include "program/read_objective.h"
#include "program/wish_reader.h"

namespace tinyai {

void WishReader::Do(const decl::Placement& placement, Span where) {
  const std::optional<PlaceId> place = FindPlace(placement.place);
  const std::optional<ResolvedRef> ref = refs_.Resolve(placement.ref, RegionId{});
  if (place && ref) Put(*ref, *place, where, false);
}

void WishReader::Do(const decl::Before& before, Span where) {
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

void WishReader::Do(const decl::Budget& budget, Span where) {
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

void WishReader::Do(const decl::Objective& objective, Span) {
  wishes_.objective = ReadObjective(objective.terms, devices_, out_);
  wishes_.objective_text = PrintExpr(objective.terms);
}

void WishReader::Do(const decl::Count& count, Span) {
  using Counting = NetObjective::Counting;
  wishes_.counting = count.how == decl::Counting::kStatic  ? Counting::kStatic
                     : count.how == decl::Counting::kWorst ? Counting::kWorst
                                                           : Counting::kExpected;
}

void WishReader::Do(const decl::Record& record, Span where) {
  Wrong("I7", where, fmt::format("a schedule of a program has no record '{}'", record.kind))
      .Help("delete it");
}

std::optional<PlaceId> WishReader::FindPlace(const Place& place) {
  std::string name = place.name;
  if (!place.index.empty()) name += fmt::format("[{}]", PrintExpr(place.index[0]));
  for (const std::string& queue : place.queues) name += "." + queue;
  if (const auto found = devices_.FindPlace(name)) return PlaceId(*found);
  Diagnostic& error = Wrong(
      "I7", place.where, fmt::format("no device '{}' (declared: {})", name, devices_.PlaceNames()));
  std::vector<std::string_view> known;
  for (const Devices::Place& one : devices_.places) known.push_back(one.name);
  const std::string near = NearestName(name, known);
  error.Help(near.empty() ? "declare it in a device file: --device FILE"
                          : fmt::format("did you mean '{}'?", near));
  return std::nullopt;
}

std::string WishReader::EffectPlaces() const {
  std::string out;
  for (const Devices::Place& place : devices_.places) {
    if (place.effects) out += (out.empty() ? "" : " or ") + place.name;
  }
  return out;
}

bool WishReader::Put(const ResolvedRef& ref, PlaceId place, Span where, bool listed) {
  for (const NetOpId id : ref.ops) {
    NetOp& op = net_.net.ops[Index(id)];
    std::optional<PlacedAt>& known = placed_[Index(id)];
    if (known && (known->place != place || (listed && known->listed))) {
      ReportTwice(op, ref, *known, place, where);
      return false;
    }
    if (!known) known = {place, where, listed};
    known->listed = known->listed || listed;
    wishes_.SetPlaced(id);
    if (!CheckCanRun(id, ref, place, where)) return false;
    op.choices = NetChoices{*op.choice_at(place)};
  }
  return true;
}

void WishReader::ReportTwice(const NetOp& op, const ResolvedRef& ref, const PlacedAt& other,
                             PlaceId place, Span where) {
  if (other.place == place) {
    Wrong("A1", where, fmt::format("'{}' is listed twice", op.name))
        .NoteAt(other.where, "listed here before")
        .Help(fmt::format("delete one, or write 'recompute {};'", RefText(*ref.written)));
    return;
  }
  Wrong("A1", where,
        fmt::format("'{}' is scheduled on both {} ({}) and {} ({})", op.name, NameOf(other.place),
                    At(other.where), NameOf(place), At(where)))
      .NoteAt(other.where, fmt::format("on {} here", NameOf(other.place)))
      .Help(fmt::format("write 'recompute {};' in one of them to duplicate it, or delete one",
                        RefText(*ref.written)));
}

bool WishReader::CheckCanRun(NetOpId id, const ResolvedRef& ref, PlaceId place, Span where) {
  const NetOp& op = net_.net.ops[Index(id)];
  if (op.choice_at(place) != nullptr) return true;
  const auto* evaluate = std::get_if<work::Evaluate>(&net_.work[Index(id)]);
  const Eval& eval = program_.eval(evaluate->eval);
  const std::string fix = fmt::format("move it to a {} block: {} {{ {}; }}", EffectPlaces(),
                                      EffectPlaces(), RefText(*ref.written));
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
                              NameOf(op.choices.front().place), RefText(*ref.written)));
  return false;
}

}  // namespace tinyai
