#include "plan/schedule_fences.h"

#include "fmt/format.h"
#include "lang/nearest_name.h"

namespace tinyai {
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
                          out.At(known->second.where), out.At(command.where)))
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
  if (fence.number == 0) {
    out.Error("I3", target.where,
              fmt::format("sync({}) at {} is issued before fence '{}' ({})", target.fence,
                          out.At(target.where), target.fence, out.At(fence.where)))
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
                  out.At(fence.where),
                  same ? "is " : fmt::format("precedes {} ({}), ", last.name, out.At(last.where)),
                  fence.on_cpu ? "DISK" : "CPU"))
        .NoteAt(last.where, "the fence that was waited for")
        .Help("delete it");
    return std::nullopt;
  }
  last = {fence.number, target.fence, fence.where};
  return Wait{fence.on_cpu, fence.done};
}

// DISK is never more than one pass ahead of CPU, and whoever has waited in a pass knows all of the
// one before.
std::optional<ScheduleFences::Wait> ScheduleFences::SyncEarlier(
    const cmd::Sync::Target& target, bool is_value, const std::array<size_t, 2>& reached,
    Diagnostics& out) {
  const auto found = fences_.find(target.fence);
  if (found == fences_.end()) {
    ReportUnknown(target, is_value, out);
    return std::nullopt;
  }
  const Fence& fence = found->second;
  Synced& last = earlier_[fence.on_cpu];
  const bool known =
      target.distance > 1 || reached[fence.on_cpu] != 0 || last.number >= fence.number;
  if (known) {
    out.Error("I6", target.where,
              fmt::format("stale sync: {} already knows that fence {} ({}) of {} has passed",
                          fence.on_cpu ? "DISK" : "CPU", target.fence, out.At(fence.where),
                          target.distance > 1 ? "so long ago" : "the pass before"))
        .NoteAt(fence.where, "the fence")
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
