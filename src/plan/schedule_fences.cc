#include "plan/schedule_fences.h"

#include "fmt/format.h"
#include "plan/model_names.h"

namespace tinyai {
namespace {

std::string At(Span where, const Diagnostics& out) {
  const Position at = out.source().At(where.begin);
  return fmt::format("{}:{}", at.line, at.column);
}

}  // namespace

void ScheduleFences::Collect(const Schedule& schedule, Diagnostics& out) {
  for (const Item& item : schedule.items) {
    if (const auto* block = std::get_if<Block>(&item.what)) Collect(block->commands, out);
  }
}

void ScheduleFences::Collect(const std::vector<Command>& commands, Diagnostics& out) {
  for (const Command& command : commands) {
    if (const auto* block = std::get_if<Block>(&command.what)) Collect(block->commands, out);
    const auto* fence = std::get_if<cmd::Fence>(&command.what);
    if (fence == nullptr) continue;
    const auto [known, added] = fences_.try_emplace(fence->name, Fence{command.where});
    if (added) continue;
    out.Error("A2", command.where,
              fmt::format("fence '{}' is defined twice ({}, {})", fence->name,
                          At(known->second.where, out), At(command.where, out)))
        .NoteAt(known->second.where, "defined here before")
        .Help("give one of them another name");
  }
}

void ScheduleFences::Record(const std::string& name, Span where, bool on_cpu, size_t done) {
  Fence& fence = fences_.at(name);
  if (fence.where.begin != where.begin) return;  // a second one of this name
  fence = {where, on_cpu, done, ++recorded_};
}

std::optional<ScheduleFences::Wait> ScheduleFences::Sync(const cmd::Sync::Target& target,
                                                         bool is_value, Diagnostics& out) {
  const auto found = fences_.find(target.fence);
  if (found == fences_.end()) {
    ReportUnknown(target, is_value, out);
    return std::nullopt;
  }
  const Fence& fence = found->second;
  if (target.distance != 0) {
    out.Error("I9", target.where, "only a whole plan waits for an earlier pass")
        .Help(fmt::format("sync({});", target.fence));
    return std::nullopt;
  }
  if (fence.number == 0) {
    out.Error("I3", target.where,
              fmt::format("sync({}) at {} is issued before fence '{}' ({})", target.fence,
                          At(target.where, out), target.fence, At(fence.where, out)))
        .NoteAt(fence.where, "the fence")
        .Help("swap the blocks");
    return std::nullopt;
  }
  Synced& last = synced_[fence.on_cpu];
  if (last.number >= fence.number) {
    const bool same = last.number == fence.number;
    out.Error("I6", target.where,
              fmt::format(
                  "stale sync: fence {} ({}) {}already synced on {}", target.fence,
                  At(fence.where, out),
                  same ? "is " : fmt::format("precedes {} ({}), ", last.name, At(last.where, out)),
                  fence.on_cpu ? "DISK" : "CPU"))
        .NoteAt(last.where, "the fence that was waited for")
        .Help("delete it");
    return std::nullopt;
  }
  last = {fence.number, target.fence, fence.where};
  return Wait{fence.on_cpu, fence.done};
}

void ScheduleFences::ReportUnknown(const cmd::Sync::Target& target, bool is_value,
                                   Diagnostics& out) const {
  std::vector<std::string_view> known;
  for (const auto& [name, fence] : fences_) known.push_back(name);
  std::string meant = NearestName(target.fence, known);
  if (meant.empty() && known.size() == 1) meant = known.front();
  Diagnostic& error =
      is_value
          ? out.Error("A3", target.where, fmt::format("'{}' is a value, not a fence", target.fence))
          : out.Error("I7", target.where, fmt::format("no fence '{}'", target.fence));
  error.Help(meant.empty()
                 ? fmt::format("record one first: --- {};", is_value ? "done" : target.fence)
                 : fmt::format("did you mean sync({})?", meant));
}

}  // namespace tinyai
