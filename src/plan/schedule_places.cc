#include "plan/schedule_places.h"

#include "fmt/format.h"
#include "lang/nearest_name.h"
#include "plan/plan_names.h"

namespace tinyai {
namespace {

constexpr std::string_view kGpu = "GPU";

std::string_view KindName(const OpKind& kind) {
  constexpr std::string_view kNames[] = {"embed",   "norm",      "quantize", "matmul", "rope",
                                         "storekv", "attention", "silumul",  "add",    "takelast"};
  return kind.index() < std::size(kNames) ? kNames[kind.index()] : Name(kind);
}

}  // namespace

bool SchedulePlaces::Known(const tinyai::Place& place, Span where) {
  const std::string name = QueueOfPlace(place);
  const bool here = name == kCpu || name == kDisk || name == kRows;
  if (place.name == kGpu || (here && place.index.empty())) return true;
  Diagnostic& error =
      out_.Error("I7", where,
                 fmt::format("no place '{}{}' (declared: {}, {}, {})", name,
                             place.index.empty() ? "" : "[..]", kCpu, kDisk, kRows));
  const std::string near = NearestName(name, {kCpu, kDisk, kRows});
  error.Help(near.empty() ? "ops run on CPU, DISK reads weights"
                          : fmt::format("did you mean '{}'?", near));
  return false;
}

bool SchedulePlaces::Put(const std::vector<OpId>& ops, const std::string& place, Span where,
                         bool listed) {
  for (const OpId op : ops) {
    const auto [known, added] = placed_.try_emplace(Index(op), PlacedAt{place, where, listed});
    if (added) continue;
    PlacedAt& other = known->second;
    if (other.place == place && !(listed && other.listed)) {
      other.listed = other.listed || listed;
      continue;
    }
    const std::string& name = graph_.ops[Index(op)].name;
    if (other.place == place) {
      out_.Error("A1", where, fmt::format("'{}' is listed twice; a pass computes it once", name))
          .NoteAt(other.where, "listed here before")
          .Help("delete one");
    } else {
      out_.Error("A1", where,
                 fmt::format("'{}' is scheduled on both {} ({}) and {} ({})", name, other.place,
                             out_.At(other.where), place, out_.At(where)))
          .NoteAt(other.where, fmt::format("on {} here", other.place))
          .Help("delete one: a model's ops are computed once");
    }
    return false;
  }
  return true;
}

void SchedulePlaces::Place(const ModelNames::Named& named, const Ref& ref, const std::string& place,
                           Span where, bool listed) {
  if (named.ops.empty()) {
    out_.Error("I9", where,
               fmt::format("'{}' is not computed, so no place does it", DottedName(ref)))
        .Help("name an op; weights and caches lie in RAM");
    return;
  }
  if (!Put(named.ops, place, where, listed) || place == kCpu) return;
  const Op& op = graph_.ops[Index(named.ops.front())];
  if (std::holds_alternative<op::Embed>(op.kind)) {
    out_.Error("I1", where, fmt::format("'{}' needs the tokens, which only CPU has", op.name))
        .Help(fmt::format("move it to a CPU block: CPU {{ {}; }}", op.name));
    return;
  }
  out_.Error(
          "I9", where,
          fmt::format("op '{}' ({}) has no {} implementation", KindName(op.kind), op.name, place))
      .Help(fmt::format("move it to a CPU block: CPU {{ {}; }}", DottedName(ref)));
}

std::optional<Span> SchedulePlaces::ListedAt(OpId op) const {
  const auto found = placed_.find(Index(op));
  if (found == placed_.end() || !found->second.listed) return std::nullopt;
  return found->second.where;
}

}  // namespace tinyai
