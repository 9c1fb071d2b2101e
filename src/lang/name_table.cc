#include "lang/name_table.h"

#include <utility>

namespace tinyai {

NameTable::NameId NameTable::Intern(std::string_view name) {
  if (const auto found = ids_.find(name); found != ids_.end()) return found->second;
  const NameId id = static_cast<NameId>(names_.size());
  names_.push_back(&ids_.emplace(std::string(name), id).first->first);
  bindings_.emplace_back();
  return id;
}

const Binding* NameTable::Find(std::string_view name) const {
  const auto found = ids_.find(name);
  if (found == ids_.end() || !IsSeen(bindings_[found->second])) return nullptr;
  return &bindings_[found->second];
}

void NameTable::Bind(NameId name, Binding binding) {
  if (!marks_.empty()) undo_.push_back({name, bindings_[name]});
  bindings_[name] = binding;
}

std::vector<NameTable::Closed> NameTable::Close() {
  std::vector<Closed> out;
  const size_t mark = marks_.back();
  marks_.pop_back();
  for (size_t i = mark; i < undo_.size(); ++i) {
    out.push_back({undo_[i].name, bindings_[undo_[i].name]});
  }
  for (size_t i = undo_.size(); i-- > mark;) bindings_[undo_[i].name] = undo_[i].before;
  undo_.resize(mark);
  return out;
}

std::vector<std::string_view> NameTable::Known() const {
  std::vector<std::string_view> out;
  for (size_t i = 0; i < names_.size(); ++i) {
    if (IsSeen(bindings_[i])) out.push_back(*names_[i]);
  }
  return out;
}

}  // namespace tinyai
