#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/units.h"
#include "plan/plan_test_support.h"
#include "plan/resolve_schedule.h"

// A small model planned by a schedule, and whether a plan does what was wished.
namespace tinyai {

inline Graph SmallGraph(bool tied = false) {
  return MakeGraph(
      {.width = 256, .layers = 3, .feed_forward = 1536, .vocabulary = 512, .tied = tied});
}

// A model with a plan by a schedule, or what the schedule is told.
struct Outcome {
  std::optional<ResolvedSchedule> wanted;
  Result<Planned> planned;
  std::string complaints;
};

inline Outcome PlanBy(const Graph& graph, const std::string& text, PlanRequest request) {
  const SourceText source("a.sched", text);
  Diagnostics diagnostics(source);
  Result<ResolvedSchedule> wanted = ResolveSchedule(graph, diagnostics);
  if (!wanted) return {{}, tl::unexpected<Error>(wanted.error()), diagnostics.Text()};
  const uint64_t memory = request.budget_bytes;
  request.budget_bytes = std::min(memory, wanted->wishes.budget_bytes.value_or(memory));
  request.wishes = &wanted->wishes;
  Result<Planned> planned = CompilePlan(graph, request);
  if (!planned) {
    planned = tl::unexpected<Error>(
        ExplainFailure(graph, request, *wanted, memory, planned.error(), diagnostics));
  }
  return {std::move(*wanted), std::move(planned), diagnostics.Text()};
}

inline PlanRequest SmallRequest(const Graph& graph, uint64_t more_bytes) {
  PlanRequest request{.workers = 2, .context = 64, .chunk = 4};
  request.budget_bytes = LeastBudget(graph, request) + more_bytes;
  return request;
}

// --- what a plan does, read off its steps ---

inline BufferKind KindAt(const Plan& plan, uint64_t offset) {
  for (const PlanBuffer& buffer : plan.buffers) {
    if (offset >= buffer.offset && offset - buffer.offset < buffer.bytes) return buffer.kind;
  }
  return BufferKind::kActivation;
}

struct Range {
  size_t first = ~size_t{0}, last = 0;
  void Add(size_t at) {
    first = std::min(first, at);
    last = std::max(last, at);
  }
};

// Steps of the CPU queue, by op.
inline std::map<OpId, Range> Runs(const Plan& plan) {
  std::map<OpId, Range> out;
  for (size_t i = 0; i < plan.queues[kCpuQueue].steps.size(); ++i) {
    out[std::get<step::Run>(plan.queues[kCpuQueue].steps[i].work).op].Add(i);
  }
  return out;
}

// Where the rows of a weight are when they are multiplied.
inline std::set<BufferKind> Homes(const Graph& graph, const Plan& plan, WeightId id) {
  std::set<BufferKind> out;
  for (const Step& step : plan.queues[kCpuQueue].steps) {
    const auto& run = std::get<step::Run>(step.work);
    const Op& op = graph.ops[Index(run.op)];
    const bool product = std::holds_alternative<op::MatMul>(op.kind) && op.weights[0] == id;
    if (product) out.insert(KindAt(plan, run.weights_offset));
  }
  return out;
}

// The DISK steps that read something of the weight.
inline Range Loads(const Graph& graph, const Plan& plan, WeightId id) {
  const Weight& weight = graph.weight(id);
  Range out;
  for (size_t i = 0; i < plan.queues[kDiskQueue].steps.size(); ++i) {
    const auto& load = std::get<step::Load>(plan.queues[kDiskQueue].steps[i].work);
    // Blocks at the ends may be a neighbour's; those of whole blocks are its own.
    const uint64_t begin = weight.offset + plan.io_alignment;
    const uint64_t end = weight.offset + weight.bytes - plan.io_alignment;
    if (load.file_offset < end && begin < load.file_offset + load.bytes) out.Add(i);
  }
  return out;
}

inline std::optional<std::string> Disobeyed(const Graph& graph, const ModelWishes& wishes,
                                            const Plan& plan) {
  std::map<OpId, Range> runs = Runs(plan);
  for (size_t i = 0; i < wishes.stay.size(); ++i) {
    for (const BufferKind home : Homes(graph, plan, WeightId(i))) {
      const bool ring = home == BufferKind::kRing;
      if (wishes.stay[i] == ModelWishes::Stay::kPinned && ring) return "pin";
      if (wishes.stay[i] == ModelWishes::Stay::kStreamed && !ring) return "evict";
    }
  }
  const std::vector<Step>& steps = plan.queues[kCpuQueue].steps;
  for (const ModelWishes::StayRows& rows : wishes.stay_rows) {
    for (const Step& step : steps) {
      const auto& run = std::get<step::Run>(step.work);
      const Op& op = graph.ops[Index(run.op)];
      const bool product = std::holds_alternative<op::MatMul>(op.kind);
      if (!product || op.weights[0] != rows.weight) continue;
      if (run.row_end <= rows.begin || rows.end <= run.row_begin) continue;
      const bool ring = KindAt(plan, run.weights_offset) == BufferKind::kRing;
      if (ring != (rows.stay == ModelWishes::Stay::kStreamed)) return "rows";
    }
  }
  for (const ModelWishes::Order& order : wishes.orders) {
    Range first, then;
    for (const OpId op : wishes.groups[order.first]) first.Add(runs[op].last);
    for (const OpId op : wishes.groups[order.then]) then.Add(runs[op].first);
    if (first.last >= then.first) return "order";
    bool joins = false;
    for (size_t at = first.last + 1; at <= then.first; ++at) joins = joins || steps[at].joins;
    if (order.complete && !joins) return "before";
  }
  for (size_t i = 1; i < wishes.loads.size(); ++i) {
    const WeightId one = wishes.loads[i - 1].weight, next = wishes.loads[i].weight;
    const bool streamed = Homes(graph, plan, one) == std::set{BufferKind::kRing} &&
                          Homes(graph, plan, next) == std::set{BufferKind::kRing};
    if (streamed && Loads(graph, plan, one).first > Loads(graph, plan, next).first) return "loads";
  }
  for (const ModelWishes::Ahead& ahead : wishes.ahead) {
    if (Homes(graph, plan, ahead.weight) != std::set{BufferKind::kRing}) continue;
    size_t point = ahead.group ? ~size_t{0} : 0;
    for (const OpId op : ahead.group ? wishes.groups[*ahead.group] : std::vector<OpId>()) {
      point = std::min(point, runs[op].first);
    }
    const Range own = Loads(graph, plan, ahead.weight);
    for (size_t i = 0; i < graph.weights.size(); ++i) {
      if (Homes(graph, plan, WeightId(i)) != std::set{BufferKind::kRing}) continue;
      const bool wished =
          std::any_of(wishes.ahead.begin(), wishes.ahead.end(),
                      [&](const ModelWishes::Ahead& other) { return other.weight == WeightId(i); });
      if (wished || !wishes.loads.empty()) continue;
      size_t needed = ~size_t{0};
      for (const Op& op : graph.ops) {
        if (op.weights.empty() || op.weights[0] != WeightId(i)) continue;
        needed = std::min(needed, runs[OpId(&op - graph.ops.data())].first);
      }
      if (needed >= point && Loads(graph, plan, WeightId(i)).first < own.last) return "prefetch";
    }
  }
  return std::nullopt;
}

}  // namespace tinyai
