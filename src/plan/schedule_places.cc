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
  const bool here = name == kCpu || name == kDisk || name == kRows || IsDevice(name);
  if (place.name == kGpu || (here && place.index.empty())) return true;
  Diagnostic& error = out_.Error("I7", where,
                                 fmt::format("no place '{}{}' (declared: {})", name,
                                             place.index.empty() ? "" : "[..]", PlaceNames()));
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

bool SchedulePlaces::Place(const ModelNames::Named& named, const Ref& ref, const std::string& place,
                           Span where, bool listed) {
  if (named.ops.empty()) {
    out_.Error("I9", where,
               fmt::format("'{}' is not computed, so no place does it", DottedName(ref)))
        .Help("name an op; weights and caches lie where their ops are");
    return false;
  }
  if (!Put(named.ops, place, where, listed)) return false;
  if (place == kCpu) return true;
  for (const OpId id : named.ops) {
    const Op& op = graph_.ops[Index(id)];
    if (!IsCpuAlone(id)) continue;
    const bool input = std::holds_alternative<op::Input>(op.kind);
    out_.Error("I1", where,
               fmt::format("'{}' needs the {}, which only CPU has", op.name,
                           input ? "caller's numbers" : "tokens"))
        .Help(fmt::format("move it to a CPU block: CPU {{ {}; }}", op.name));
    return false;
  }
  if (IsDevice(place)) return true;
  const Op& op = graph_.ops[Index(named.ops.front())];
  out_.Error(
          "I9", where,
          fmt::format("op '{}' ({}) has no {} implementation", KindName(op.kind), op.name, place))
      .Help(fmt::format("move it to a CPU block: CPU {{ {}; }}", DottedName(ref)));
  return false;
}

bool SchedulePlaces::IsCpuAlone(OpId op) const {
  const OpKind& kind = graph_.ops[Index(op)].kind;
  return std::holds_alternative<op::Embed>(kind) || std::holds_alternative<op::Input>(kind);
}

std::string SchedulePlaces::PlaceNames() const {
  const std::string names = fmt::format("{}, {}, {}", kCpu, kDisk, kRows);
  return device_ == nullptr ? names : fmt::format("{}, {}", names, device_->name);
}

std::vector<bool> SchedulePlaces::OnDevice() {
  std::vector<bool> out;
  const auto layer_of = [&](OpId id) -> std::optional<uint32_t> {
    const OpKind& kind = graph_.ops[Index(id)].kind;
    if (const auto* store = std::get_if<op::StoreKv>(&kind)) return store->layer;
    if (const auto* attention = std::get_if<op::Attention>(&kind)) return attention->layer;
    return std::nullopt;
  };
  std::unordered_map<uint32_t, const PlacedAt*> layers;  // whose cache is on the device
  for (const auto& [op, placed] : placed_) {
    if (!IsDevice(placed.place)) continue;
    out.resize(graph_.ops.size());
    out[op] = true;
    if (const auto layer = layer_of(OpId(op))) layers.emplace(*layer, &placed);
  }
  for (size_t i = 0; i < graph_.ops.size() && !layers.empty(); ++i) {
    const std::optional<uint32_t> layer = layer_of(OpId(i));
    if (!layer || layers.count(*layer) == 0 || out[i]) continue;
    const auto elsewhere = placed_.find(i);
    out[i] = true;
    if (elsewhere == placed_.end()) continue;
    const std::string& name = graph_.ops[i].name;
    out_.Error("I9", elsewhere->second.where,
               fmt::format("'{}' needs the keys and values of its layer, which lie on {}", name,
                           device_->name))
        .NoteAt(layers[*layer]->where, "since this is there")
        .Help(fmt::format("put both on one place: {} {{ {}; }}", device_->name, name));
  }
  return out;
}

std::optional<Span> SchedulePlaces::ListedAt(OpId op) const {
  const auto found = placed_.find(Index(op));
  if (found == placed_.end() || !found->second.listed) return std::nullopt;
  return found->second.where;
}

}  // namespace tinyai
