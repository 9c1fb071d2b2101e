#include "lang/name_table.h"

#include <functional>
#include <utility>

namespace tinyai {

NameTable::NameId NameTable::Intern(std::string_view name) {
  const auto [id, added] = ids_.TryAdd(name);
  if (!added) return id;
  bindings_.emplace_back();
  const std::less_equal<const char*> before;
  const bool lasts = before(source_.data(), name.data()) &&
                     before(name.data() + name.size(), source_.data() + source_.size());
  if (!lasts) ids_.Replace(id, made_.emplace_back(name));
  return id;
}

void NameTable::Expect(size_t names) {
  ids_.Expect(names);
  bindings_.reserve(names);
}

const Binding* NameTable::Find(std::string_view name) const {
  const uint32_t id = ids_.Find(name);
  return id == NameIndex::kNone ? nullptr : Find(id);
}

void NameTable::Bind(NameId name, Binding binding) {
  if (!marks_.empty()) undo_.push_back({name, bindings_[name]});
  bindings_[name] = binding;
}

void NameTable::BindConstant(NameId name, const Constant& constant, uint32_t frame, Where where) {
  Binding binding;
  binding.kind = Binding::Kind::kConstant;
  binding.frame = frame;
  binding.detail = static_cast<uint32_t>(constants_.size());
  binding.where = where;
  constants_.push_back(constant);
  Bind(name, binding);
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
  for (NameId i = 0; i < bindings_.size(); ++i) {
    if (IsSeen(bindings_[i])) out.push_back(text(i));
  }
  return out;
}

}  // namespace tinyai
