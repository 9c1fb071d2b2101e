#include "lang/name_table.h"

#include <utility>

namespace tinyai {

NameTable::NameId NameTable::Intern(std::string_view name) {
  if (const uint32_t known = ids_.Find(name); known != NameIndex::kNone) return known;
  bindings_.emplace_back();
  return ids_.Add(names_.emplace_back(name));
}

const Binding* NameTable::Find(std::string_view name) const {
  const uint32_t id = ids_.Find(name);
  return id == NameIndex::kNone ? nullptr : Find(id);
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
    if (IsSeen(bindings_[i])) out.push_back(names_[i]);
  }
  return out;
}

}  // namespace tinyai
