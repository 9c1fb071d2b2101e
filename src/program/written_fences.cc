#include "program/written_fences.h"

#include <set>
#include <string_view>
#include <utility>

#include "fmt/format.h"

namespace tinyai {
namespace {

// From the place with effects, and to it.
constexpr std::string_view kAway = "write", kBack = "read";

void FindGiven(const CompiledProgram& compiled, const Wishes& wishes, WrittenFences& out) {
  for (size_t i = 0; i < compiled.plan.fences.size(); ++i) {
    const NetFence& fence = compiled.plan.fences[i];
    const NetOpId op = compiled.plan.queues[Index(fence.place)][fence.command].op;
    const bool mark = std::holds_alternative<work::Mark>(compiled.work[Index(op)]);
    const WishedLine* line = mark ? wishes.LineOf(op) : nullptr;
    if (line == nullptr || line->kind != WishedLine::Kind::kFence) continue;
    out.names[i] = *line->fence;
    out.given[i] = true;
  }
}

// In the order in which places come to them.
void NameDerived(const CompiledProgram& compiled, const Wishes& wishes, WrittenFences& out) {
  std::set<std::string> used;
  for (const auto& [name, fence] : wishes.fences) used.insert(name);
  for (const Def& def : compiled.program.defs) {
    if (def.name.starts_with(kAway) || def.name.starts_with(kBack)) used.insert(def.name);
  }
  uint32_t counts[2] = {0, 0};
  for (size_t place = 0; place < out.at.size(); ++place) {
    const bool away = compiled.net.places[place].effects;
    for (const uint32_t fence : out.at[place]) {
      if (fence == WrittenFences::kNone || !out.names[fence].empty()) continue;
      do {
        const uint32_t number = ++counts[away ? 0 : 1];
        out.names[fence] =
            fmt::format("{}{}", away ? kAway : kBack, number == 1 ? "" : std::to_string(number));
      } while (!used.insert(out.names[fence]).second);
    }
  }
}

void FindRegions(const CompiledProgram& compiled, WrittenFences& out) {
  if (compiled.net.in_turns) return;
  const NetPlan& plan = compiled.plan;
  for (size_t i = 0; i < plan.fences.size(); ++i) {
    const NetFence& fence = plan.fences[i];
    out.regions[i] = compiled.net.op(plan.queues[Index(fence.place)][fence.command].op).region;
  }
  for (const std::vector<NetCommand>& queue : plan.queues) {
    for (const NetCommand& command : queue) {
      for (const NetSync& sync : command.syncs) {
        out.regions[sync.fence] =
            CommonRegion(compiled.net, out.regions[sync.fence], compiled.net.op(command.op).region);
      }
    }
  }
}

}  // namespace

WrittenFences WriteFences(const CompiledProgram& compiled, const Wishes& wishes) {
  const NetPlan& plan = compiled.plan;
  WrittenFences out;
  out.names.resize(plan.fences.size());
  out.given.resize(plan.fences.size());
  out.regions.resize(plan.fences.size());
  for (const std::vector<NetCommand>& queue : plan.queues) {
    out.at.emplace_back(queue.size(), WrittenFences::kNone);
  }
  for (uint32_t i = 0; i < plan.fences.size(); ++i) {
    out.at[Index(plan.fences[i].place)][plan.fences[i].command] = i;
  }
  FindGiven(compiled, wishes, out);
  NameDerived(compiled, wishes, out);
  FindRegions(compiled, out);
  return out;
}

}  // namespace tinyai
