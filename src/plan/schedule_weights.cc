#include "plan/schedule_weights.h"

#include <algorithm>

#include "fmt/format.h"

namespace tinyai {

ScheduleWeights::ScheduleWeights(const Graph& graph, ModelWishes& wishes, Diagnostics& out)
    : graph_(graph), wishes_(wishes), out_(out), users_(graph.weights.size()) {
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    for (const WeightId id : graph.ops[i].weights) users_[Index(id)].push_back(OpId(i));
  }
}

std::vector<OpId> ScheduleWeights::Readers(WeightId id) const {
  std::vector<OpId> readers;
  for (const OpId op : users_[Index(id)]) {
    if (!std::holds_alternative<op::Embed>(graph_.ops[Index(op)].kind)) readers.push_back(op);
  }
  return readers;
}

bool ScheduleWeights::OnlyRowsTaken(WeightId id) const {
  const std::vector<OpId>& users = users_[Index(id)];
  return std::all_of(users.begin(), users.end(), [&](OpId op) {
    return std::holds_alternative<op::Embed>(graph_.ops[Index(op)].kind);
  });
}

void ScheduleWeights::CheckOnDevice(const std::vector<bool>& on_device,
                                    const std::string& memory) const {
  if (on_device.empty()) return;
  for (size_t weight = 0; weight < graph_.weights.size(); ++weight) {
    const std::vector<OpId>& users = users_[weight];
    const bool alone = !users.empty() && std::all_of(users.begin(), users.end(),
                                                     [&](OpId op) { return on_device[Index(op)]; });
    std::optional<Span> where;
    if (const auto listed = listed_.find(weight); listed != listed_.end()) where = listed->second;
    if (const auto said = said_.find(weight); said != said_.end()) {
      for (const auto& [row, some] : said->second) {
        if (some.stay == ModelWishes::Stay::kStreamed) where = some.where;
      }
    }
    if (!alone || !where) continue;
    out_.Error(
            "I9", *where,
            fmt::format("'{}' is read once and stays in {}", graph_.weights[weight].name, memory))
        .Help("delete it, or leave its op on CPU");
  }
}

// --- what stays ---

bool ScheduleWeights::Stay(const ModelNames::Named& named, const Ref& ref, ModelWishes::Stay stay,
                           Span where) {
  const bool pin = stay == ModelWishes::Stay::kPinned;
  if (named.cache && pin) return false;  // it always stays
  std::vector<WeightId> weights = named.weights;
  if (!pin || named.rows) {
    std::erase_if(weights, [&](WeightId id) { return graph_.weight(id).rows <= 1; });
  }
  if (named.rows) std::erase_if(weights, [&](WeightId id) { return OnlyRowsTaken(id); });
  if (weights.empty()) {
    out_.Error(
            "I9", where,
            fmt::format("'{}' has {}", DottedName(ref),
                        named.rows ? "no rows of its own that a pass reads"
                        : pin      ? "no weights that could stay"
                              : "nothing that could be streamed: vectors, caches and values stay"))
        .Help("name a matrix, or all of a layer: blk.0");
    return false;
  }
  if (!pin && !named.rows) weights = named.weights;  // with the vectors, which stay all the same
  if (wishes_.stay.empty()) wishes_.stay.resize(graph_.weights.size());
  for (const WeightId id : weights) {
    const Weight& weight = graph_.weight(id);
    const auto [begin, end] = named.rows.value_or(ModelNames::Rows{0, weight.rows});
    if (end > weight.rows) {
      out_.Error("I7", where, fmt::format("'{}' has no rows {} to {}", weight.name, begin, end))
          .Help(fmt::format("its rows are [0..{}]", weight.rows));
      return false;
    }
    const Before before = Remember(id, begin, end, stay, where);
    if (before == Before::kOther) return false;
    if (before == Before::kSame) continue;
    if (named.rows) {
      wishes_.stay_rows.push_back({id, begin, end, stay});
    } else {
      wishes_.stay[Index(id)] = stay;
    }
  }
  return pin;
}

ScheduleWeights::Before ScheduleWeights::Remember(WeightId id, uint64_t begin, uint64_t end,
                                                  ModelWishes::Stay stay, Span where) {
  std::map<uint64_t, Said>& said = said_[Index(id)];
  auto other = said.lower_bound(end);  // the last that begins before `end`
  if (other == said.begin() || (--other)->second.end <= begin) {
    said.emplace(begin, Said{end, stay, where});
    return Before::kNothing;
  }
  const Said& before = other->second;
  if (other->first == begin && before.end == end && before.stay == stay) return Before::kSame;
  const bool pinned = before.stay == ModelWishes::Stay::kPinned;
  const std::string& name = graph_.weight(id).name;
  out_.Error("A1", where,
             before.stay == stay ? fmt::format("rows of '{}' are listed twice ({}, {})", name,
                                               out_.At(before.where), out_.At(where))
                                 : fmt::format("'{}' is both pinned and evicted ({}, {})", name,
                                               out_.At(before.where), out_.At(where)))
      .NoteAt(before.where, pinned ? "pinned here" : "evicted here")
      .Help("delete one");
  return Before::kOther;
}

// --- what is read when ---

bool ScheduleWeights::OnlyForLogits(WeightId id) const {
  const auto last = std::find_if(graph_.ops.begin(), graph_.ops.end(), [](const Op& op) {
    return std::holds_alternative<op::TakeLast>(op.kind);
  });
  const std::vector<OpId> readers = Readers(id);
  return std::all_of(readers.begin(), readers.end(), [&](OpId op) {
    return static_cast<ptrdiff_t>(Index(op)) > last - graph_.ops.begin();
  });
}

std::vector<WeightId> ScheduleWeights::ToLoad(const ModelNames::Named& named, const Ref& ref,
                                              Span where) {
  std::vector<WeightId> out;
  for (const WeightId id : named.weights) {
    if (!OnlyRowsTaken(id)) out.push_back(id);
  }
  std::sort(out.begin(), out.end(), [&](WeightId a, WeightId b) {
    return std::pair(users_[Index(a)].front(), a) < std::pair(users_[Index(b)].front(), b);
  });
  if (!out.empty()) return out;
  const bool rows = std::any_of(named.weights.begin(), named.weights.end(),
                                [&](WeightId id) { return !users_[Index(id)].empty(); });
  out_.Error(rows ? "I1" : "I9", where,
             rows ? fmt::format("rows of '{}' are read by the tokens, which only CPU has",
                                DottedName(ref))
                  : fmt::format("'{}' has no weights to load", DottedName(ref)))
      .Help(rows ? fmt::format("pin {}; to read the whole of it once", DottedName(ref))
                 : "name a weight, or an op that has one");
  return out;
}

void ScheduleWeights::Enter(const Block& block, Span where) {
  room_ = room_ || !block.closed;
  closed_ = block.closed;
  if (closed_ && !first_closed_) first_closed_ = where;
}

// Where there is no room in front of a weight it comes at once after the one before.
void ScheduleWeights::List(const ModelNames::Named& named, const Ref& ref, Span where, bool ahead) {
  for (const WeightId id : ToLoad(named, ref, where)) {
    const auto [known, added] = listed_.try_emplace(Index(id), where);
    if (!added) {
      out_.Error("A1", where,
                 fmt::format("'{}' is listed twice; a pass reads it once", graph_.weight(id).name))
          .NoteAt(known->second, "listed here before")
          .Help("delete one");
      return;
    }
    wishes_.loads.push_back({id, ahead || !room_});
    room_ = !closed_;
  }
}

void ScheduleWeights::CheckRoom() const {
  if (!first_closed_ || room_) return;
  for (size_t i = 0; i < graph_.weights.size(); ++i) {
    const auto id = static_cast<WeightId>(i);
    const bool may_stream = graph_.weight(id).rows > 1 && !OnlyRowsTaken(id) &&
                            wishes_.StayOf(id) != ModelWishes::Stay::kPinned;
    if (!may_stream || listed_.contains(i) || OnlyForLogits(id)) continue;
    out_.Error("I8", *first_closed_,
               fmt::format("'{}' cannot be read: it is not listed, and the block is closed",
                           graph_.weight(id).name))
        .Help("add '???;' at the end, where the rest is read");
    return;
  }
}

}  // namespace tinyai
