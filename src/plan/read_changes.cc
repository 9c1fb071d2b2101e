#include "plan/read_changes.h"

#include <variant>

#include "lang/parse_schedule.h"
#include "plan/plan_file.h"
#include "plan/plan_names.h"

namespace tinyai {

GraphChange ReadChange(const decl::Record& record, PlanAttributes& attributes) {
  GraphChange change{.kind = GraphChange::Kind::kBands, .name = record.name};
  size_t kinds = 0;
  for (const auto& [kind, name] : kChangeKinds) {
    if (!attributes.Flag(name)) continue;
    change.kind = kind;
    ++kinds;
  }
  if (kinds != 1) attributes.Wrong("a change is of one kind");
  change.first = attributes.Required<uint32_t>("first");
  if (change.kind != GraphChange::Kind::kFetchEarlier) {
    change.second = attributes.Required<uint32_t>("second");
  }
  if (change.kind == GraphChange::Kind::kBands) {
    change.bands = attributes.Required<uint64_t>("count");
  }
  return change;
}

std::vector<GraphChange> ReadChanges(const SourceText& source) {
  Diagnostics said_later(source);
  std::vector<GraphChange> changes;
  for (const Item& item : ParseSchedule(said_later).items) {
    const auto* record = std::get_if<decl::Record>(&item.what);
    if (record == nullptr || record->kind != kChangeRecord) continue;
    PlanAttributes attributes(said_later, record->attributes, item.where);
    changes.push_back(ReadChange(*record, attributes));
  }
  return changes;
}

}  // namespace tinyai
