#include "plan/schedule_frees.h"

#include <algorithm>
#include <optional>

#include "fmt/format.h"

namespace tinyai {

std::vector<OpId> ScheduleFrees::End(const ModelNames::Named& named, const Ref& ref, Span where) {
  const std::string name = DottedName(ref);
  std::vector<bool> ends(graph_.values.size());
  for (const OpId op : named.ops) {
    if (const std::optional<ValueId> out = graph_.ops[Index(op)].out) ends[Index(*out)] = true;
  }
  const auto is_one = [&](ValueId value) -> bool { return ends[Index(value)]; };
  if (std::any_of(graph_.outputs.begin(), graph_.outputs.end(), is_one)) {
    out_.Error("I9", where,
               fmt::format("'{}' is what a pass gives out, and stays to its end", name))
        .Help("delete it");
    return {};
  }
  std::vector<OpId> users;
  for (size_t i = 0; i < graph_.ops.size(); ++i) {
    const Op& op = graph_.ops[i];
    const bool reads = std::any_of(op.ins.begin(), op.ins.end(), is_one);
    if (reads || (op.out && is_one(*op.out))) users.push_back(OpId(i));
  }
  if (users.empty()) {
    out_.Error("I9", where, fmt::format("'{}' is no value that a pass computes", name))
        .Help(fmt::format("for weights that shall not stay: evict {};", name));
  }
  for (const OpId op : users) freed_.try_emplace(Index(op), Freed{where, name});
  return users;
}

bool ScheduleFrees::Check(const std::vector<OpId>& ops, Span where) const {
  for (const OpId op : ops) {
    const auto freed = freed_.find(Index(op));
    if (freed == freed_.end()) continue;
    const auto& [line, name] = freed->second;
    out_.Error("I3", where,
               fmt::format("'{}' needs '{}', which is freed before ({})",
                           graph_.ops[Index(op)].name, name, out_.At(line)))
        .NoteAt(line, "freed here")
        .Help(fmt::format("list 'free {};' behind it", name));
    return false;
  }
  return true;
}

}  // namespace tinyai
