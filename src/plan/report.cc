#include <algorithm>
#include <array>

#include "base/checked.h"
#include "plan/model_net.h"
#include "plan/sizing.h"

namespace tinyai {
namespace {

// Bytes of memory that activations take: they share it.
uint64_t SharedBytes(const Plan& plan) {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const PlanBuffer& buffer : plan.buffers) {
    if (buffer.kind != BufferKind::kActivation || plan.on_device(buffer.offset)) continue;
    ranges.emplace_back(buffer.offset, buffer.offset + buffer.bytes);
  }
  std::sort(ranges.begin(), ranges.end());
  uint64_t bytes = 0, end = 0;
  for (const auto& [from, to] : ranges) {
    bytes += to - std::min(to, std::max(from, end));
    end = std::max(end, to);
  }
  return bytes;
}

}  // namespace

PlanReport ReportOn(const Graph& graph, const PlanRequest& request, const Plan& plan) {
  PlanReport report;
  report.pass_bytes = graph.PassBytes();
  report.components = request.fixed;
  std::array<uint64_t, 6> by_kind{};
  uint64_t sum = 0;
  for (const PlanBuffer& buffer : plan.buffers) {
    if (buffer.kind != BufferKind::kActivation && !plan.on_device(buffer.offset)) {
      by_kind[static_cast<size_t>(buffer.kind)] += buffer.bytes;
    }
  }
  by_kind[static_cast<size_t>(BufferKind::kActivation)] = SharedBytes(plan);
  for (size_t kind = 0; kind < by_kind.size(); ++kind) {
    if (by_kind[kind] == 0) continue;
    report.components.push_back({std::string(Name(BufferKind(kind))), by_kind[kind], true});
    sum += by_kind[kind];
  }
  report.components.push_back({"alignment", plan.memory.arena_bytes - sum, true});
  if (plan.device) {
    report.components.push_back({plan.device->memory.name, plan.device->memory.arena_bytes, true});
  }
  report.components.push_back({"plan", plan.held_bytes});
  report.components.push_back({"page tables", MappingBytes(request, plan.end_offset())});
  report.predicted_peak_bytes = 0;
  for (const Component& component : report.components) {
    report.predicted_peak_bytes += component.bytes;
  }
  report.fences = plan.fences.size();
  const SpillTraffic traffic = TrafficOf(graph, plan);
  report.spilled_bytes = traffic.written;
  report.fetched_bytes = traffic.read;
  for (const PlanQueue& queue : plan.queues) {
    for (const Step& step : queue.steps) report.syncs += step.syncs.size();
  }
  return report;
}

void ReportSpeed(const Simulation& simulation, PlanReport& report) {
  report.predicted_tokens_per_second = 1 / simulation.makespan;
  report.compute_seconds_per_token = simulation.busy[kCpuQueue];
  report.disk_seconds_per_token = 0;
  for (size_t queue = kDiskQueue; queue < simulation.busy.size(); ++queue) {
    report.disk_seconds_per_token += simulation.busy[queue];
  }
  report.stall_seconds_per_token = simulation.stalled[kCpuQueue];
}

}  // namespace tinyai
