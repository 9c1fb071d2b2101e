#include "plan/plan_names.h"

#include <algorithm>

#include "fmt/format.h"
#include "lang/print_schedule.h"
#include "plan/fingerprint.h"

namespace tinyai {

void UniqueNames::Add(std::string name) {
  const size_t index = names_.size();
  while (!indexes_.try_emplace(name, index).second) name += fmt::format("#{}", index);
  names_.push_back(std::move(name));
}

std::optional<size_t> UniqueNames::Find(std::string_view name) const {
  const auto found = indexes_.find(std::string(name));
  if (found == indexes_.end()) return std::nullopt;
  return found->second;
}

Place PlaceOfQueue(std::string_view name) {
  Place place;
  place.name = name.substr(0, name.find('.'));
  while (name.find('.') != std::string_view::npos) {
    name.remove_prefix(name.find('.') + 1);
    place.queues.emplace_back(name.substr(0, name.find('.')));
  }
  return place;
}

std::string QueueOfPlace(const Place& place) {
  std::string out = place.name;
  for (const Expr& index : place.index) out += '[' + PrintExpr(index) + ']';
  for (const std::string& queue : place.queues) out += '.' + queue;
  return out;
}

uint64_t SealOf(Schedule schedule) {
  schedule.head_comments.clear();
  schedule.end_comments.clear();
  std::erase_if(schedule.items, [](const Item& item) {
    const auto* record = std::get_if<decl::Record>(&item.what);
    return record != nullptr && record->kind == kSealRecord;
  });
  return Fingerprint().Add(std::string_view(PrintSchedule(schedule))).value();
}

}  // namespace tinyai
