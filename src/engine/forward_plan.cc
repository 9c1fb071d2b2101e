#include "engine/forward_plan.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/units.h"
#include "engine/checked_read_queue.h"
#include "engine/forward_lifetimes.h"
#include "engine/session_plan.h"
#include "fmt/format.h"
#include "graph/recompute.h"
#include "graph/spill.h"
#include "plan/choose_bands.h"
#include "plan/choose_evictions.h"
#include "run/layer_ops.h"

namespace tinyai {
namespace {

// Plans one pass in any of the modes.
class ForwardPlanner {
 public:
  ForwardPlanner(const ForwardOptions& options, const RewiredGraph& rewired, const Machine& machine)
      : options_(options), rewired_(rewired), machine_(machine) {}

  Result<ForwardPlan> PlanInMode() const {
    switch (options_.mode) {
      case PlanMode::kNormal:
        return PlanNormal();
      case PlanMode::kMemoryOptimised:
        return PlanLean(PlanMode::kMemoryOptimised);
      case PlanMode::kStreaming:
        return PlanLean(PlanMode::kStreaming);
      case PlanMode::kAdaptive:
        break;
    }
    if (Result<ForwardPlan> normal = PlanNormal(); Fits(normal)) return normal;
    Result<ForwardPlan> lean = PlanLean(PlanMode::kAdaptive);
    if (!Fits(lean)) return PlanLean(PlanMode::kStreaming);
    lean->mode = PlanMode::kMemoryOptimised;  // in which some weights may stay
    return lean;
  }

 private:
  // Whether there is such a plan, and its activations keep within their limit.
  bool Fits(const Result<ForwardPlan>& plan) const {
    if (!plan) return false;
    return options_.activation_bytes == 0 || plan->activation_bytes() <= options_.activation_bytes;
  }

  Result<ForwardPlan> PlanNormal() const {
    Graph graph = rewired_.graph;
    std::vector<uint32_t> layers;
    for (uint32_t i = 0; i < rewired_.origin.size(); ++i) {
      const std::vector<uint32_t>& not_kept = options_.not_kept;
      const bool needed =
          std::find(not_kept.begin(), not_kept.end(), rewired_.origin[i]) == not_kept.end();
      if (needed) layers.push_back(i);
    }
    KeepOutputs(graph, layers);
    TRY_ASSIGN(ForwardPlan plan, Compile(WithoutBands(std::move(graph)), PlanMode::kNormal));
    const uint64_t resident = plan.bytes({BufferKind::kResident});
    if (resident <= options_.resident_bytes) return plan;
    return Fail(ErrorCode::kBudget, "CACHE_FULL",
                fmt::format("{} bytes of weights are to stay resident, and of what maxCacheSize "
                            "allows {} are not in use or held; raise it, or choose another mode "
                            "than normal",
                            resident, options_.resident_bytes));
  }
  // Outputs go when nobody needs them.
  Result<ForwardPlan> PlanLean(PlanMode mode) const {
    Graph graph = rewired_.graph;
    std::vector<uint32_t> layers;
    for (uint32_t i = 0; i < rewired_.origin.size(); ++i) {
      const bool kept = std::find(options_.kept.begin(), options_.kept.end(), rewired_.origin[i]) !=
                        options_.kept.end();
      if (kept) layers.push_back(i);
    }
    KeepOutputs(graph, layers);
    TRY_ASSIGN(BandedGraph start, WithEvicted(WithoutBands(std::move(graph))));
    Result<ForwardPlan> best = Compile(start, mode);
    if (start.graph.is_text()) return best;
    if (mode == PlanMode::kStreaming) return PlanStreaming(std::move(start), std::move(best));
    if (Fits(best)) return best;
    // Of what fits, the fastest.
    Result<ForwardPlan> fits = std::move(best);
    for (const EvictionOptions& ways : WaysToEvict()) {
      for (BandedGraph& step : ChooseEvictions(start, ways)) {
        Result<ForwardPlan> plan = Compile(FetchInTime(std::move(step), options_.batch), mode);
        if (!Fits(plan)) continue;
        if (!Fits(fits) || IsFaster(*plan, *fits)) fits = std::move(plan);
        break;
      }
    }
    return fits;
  }

  // In bands where that takes less memory and is allowed, and evicting whatever lowers it.
  Result<ForwardPlan> PlanStreaming(BandedGraph start, Result<ForwardPlan> best) const {
    const PlanMode mode = PlanMode::kStreaming;
    std::vector<BandedGraph> starts;
    if (options_.bands) {
      starts.push_back(ChooseBands(start, options_.batch));
      best = Smaller(std::move(best), Compile(starts[0], mode));
    }
    starts.push_back(std::move(start));
    for (const EvictionOptions& ways : WaysToEvict()) {
      for (const BandedGraph& from : starts) {
        BandedGraph evicted = ChooseEvictions(from, ways).back();
        BandedGraph in_time = FetchInTime(evicted, options_.batch);
        best = Smaller(std::move(best), Compile(std::move(in_time), mode));
        best = Smaller(std::move(best), Compile(std::move(evicted), mode));
      }
    }
    return best;
  }

  // Only computing again, only the disk, and both, as far as the caller allows them.
  std::vector<EvictionOptions> WaysToEvict() const {
    std::vector<EvictionOptions> ways;
    const auto add = [&](bool recompute, bool spill) {
      ways.push_back({recompute, spill, options_.batch, machine_.rates});
    };
    if (options_.recompute) add(true, false);
    if (options_.spill) add(false, true);
    if (options_.recompute && options_.spill) add(true, true);
    return ways;
  }
  static bool IsFaster(const ForwardPlan& a, const ForwardPlan& b) {
    return a.report.predicted_tokens_per_second > b.report.predicted_tokens_per_second;
  }
  static Result<ForwardPlan> Smaller(Result<ForwardPlan> a, Result<ForwardPlan> b) {
    return !b || (a && a->peak_bytes() <= b->peak_bytes()) ? std::move(a) : std::move(b);
  }

  // Those that the caller wants computed again or spilled are, for the first reader that does not
  // come next, unless they have to stay.
  Result<BandedGraph> WithEvicted(BandedGraph graph) const {
    for (const uint32_t layer : options_.recomputed) {
      TRY_ASSIGN(graph, Evict(std::move(graph), layer, RecomputeFor));
    }
    for (const uint32_t layer : options_.spilled) {
      TRY_ASSIGN(graph, Evict(std::move(graph), layer, SpillFor));
    }
    return graph;
  }

  template <typename For>
  Result<BandedGraph> Evict(BandedGraph graph, uint32_t layer, For evict_for) const {
    const auto found = std::find(rewired_.origin.begin(), rewired_.origin.end(), layer);
    if (found == rewired_.origin.end()) return graph;
    const auto at = static_cast<uint32_t>(found - rewired_.origin.begin());
    const ValueId output = graph.graph.layers[at].output;
    if (std::ranges::find(graph.graph.outputs, output) != graph.graph.outputs.end()) return graph;
    uint32_t before = at;
    for (const uint32_t reader : ReadersOf(graph.graph, at)) {
      const bool is_next = reader == std::exchange(before, reader) + 1;
      if (is_next) continue;
      Result<BandedGraph> evicted = evict_for(graph, at, reader);
      if (evicted || evicted.error().key != "GRAPH_DEPENDENCY") return evicted;
    }
    return graph;
  }

  PlanRequest RequestFor(PlanMode mode) const {
    const Graph& graph = rewired_.graph;
    PlanRequest request;
    request.budget_bytes =
        options_.memory_bytes != 0 ? options_.memory_bytes : machine_.available_bytes;
    request.workers = options_.threads != 0 ? options_.threads : std::max(1u, machine_.threads);
    request.context = options_.batch;
    if (graph.is_text()) {
      request.context =
          options_.context != 0 ? options_.context : std::min(graph.context, kDefaultContext);
    } else {
      request.chunk = options_.batch;
    }
    request.mode = mode;
    if (mode != PlanMode::kNormal) request.resident_bytes = options_.resident_bytes;
    request.in_place = options_.in_place;
    request.rates = machine_.rates;
    request.whole_layers = true;
    request.arena_only = true;
    return request;
  }

  Result<ForwardPlan> Compile(BandedGraph banded, PlanMode mode) const {
    ForwardPlan out;
    out.options = options_;
    out.groups = std::move(banded.groups);
    for (LayerGroup& group : out.groups) {
      for (LayerGroup::Member& member : group.members) member.layer = rewired_.origin[member.layer];
    }
    const double once = Multiplications(rewired_.graph);
    if (once != 0) out.recompute_ratio = Multiplications(banded.graph) / once;
    out.graph = std::make_unique<Graph>(std::move(banded.graph));
    if (!out.graph->is_text()) {
      for (Op& op : out.graph->ops) op.scratch_bytes = ScratchBytes(*out.graph, op);
    }
    const PlanRequest request = RequestFor(mode);
    Result<Planned> planned = CompilePlan(*out.graph, request);
    if (!planned) return Explain(std::move(planned).error(), out, request);
    out.plan = std::move(planned->plan);
    out.report = std::move(planned->report);
    out.mode = mode;
    return out;
  }

  tl::unexpected<Error> Explain(Error error, const ForwardPlan& plan,
                                const PlanRequest& request) const {
    const Graph& graph = *plan.graph;
    if (error.key != "BUDGET_INFEASIBLE") return tl::unexpected<Error>(std::move(error));
    const Result<Planned> least = CompileLeast(graph, request);
    if (!least) return tl::unexpected<Error>(std::move(error));
    const ForwardLifetimes lifetimes(graph, least->plan);
    const uint32_t layer = lifetimes.largest_layer();
    error.message +=
        fmt::format("; the most at once is needed for layer {} ({}): {} of activations",
                    plan.groups[layer].members[0].layer, graph.layers[layer].name,
                    FormatByteSize(lifetimes.layer_bytes(layer)));
    return tl::unexpected<Error>(std::move(error));
  }

  const ForwardOptions& options_;
  const RewiredGraph& rewired_;
  const Machine& machine_;
};

Result<RewiredGraph> Wire(const ForwardModel& model, const ForwardOptions& options) {
  if (model.graph->layers.empty()) {
    return Fail(ErrorCode::kUnsupported, "GRAPH_OP",
                "this file holds weights alone: it does not say what its layers compute");
  }
  return Rewire(*model.graph, options.layers);
}

}  // namespace

ForwardModel ForwardModel::Of(std::shared_ptr<const Model> model) {
  auto checkers = std::make_shared<std::vector<std::unique_ptr<BlockChecker>>>();
  for (uint32_t part = 0; part < model->sources().size(); ++part) {
    checkers->push_back(model->MakeChecker(part));
  }
  const auto open = [model, checkers](uint32_t depth) -> Result<std::unique_ptr<ReadQueue>> {
    TRY_ASSIGN(std::unique_ptr<ReadQueue> queue, OpenReadQueue(model->sources(), {.depth = depth}));
    if (!model->file().checksums) return queue;
    std::vector<BlockChecker*> borrowed;
    for (const auto& checker : *checkers) borrowed.push_back(checker.get());
    return std::make_unique<CheckedReadQueue>(std::move(queue), std::move(borrowed));
  };
  return {model, &model->graph(), &model->rope(), open};
}

uint64_t ForwardPlan::peak_bytes() const {
  uint64_t end = 0;
  for (const PlanBuffer& buffer : plan.buffers) {
    if (buffer.bytes != 0) end = std::max(end, buffer.offset + buffer.bytes);
  }
  return end;
}

uint64_t ForwardPlan::bytes(std::initializer_list<BufferKind> kinds) const {
  uint64_t bytes = 0;
  for (const PlanBuffer& buffer : plan.buffers) {
    if (std::ranges::find(kinds, buffer.kind) != kinds.end()) bytes += buffer.bytes;
  }
  return bytes;
}

uint64_t ForwardPlan::activation_bytes() const {
  const uint64_t lasting = bytes({BufferKind::kResident, BufferKind::kRing, BufferKind::kCache,
                                  BufferKind::kStaging, BufferKind::kWorkspace});
  return peak_bytes() - std::min(peak_bytes(), lasting);
}

uint64_t ForwardPlan::in_place_count() const {
  uint64_t count = 0;
  for (const Op& op : graph->ops) {
    if (!op.out || !WorksInPlace(op.kind)) continue;
    const auto buffer = [&](ValueId id) { return plan.value_buffers[Index(id)]; };
    const PlanBuffer &from = plan.buffer(buffer(op.ins[0])), &to = plan.buffer(buffer(*op.out));
    count += from.bytes != 0 && from.offset == to.offset;
  }
  return count;
}

Result<ForwardPlan> PlanForward(const ForwardModel& model, const ForwardOptions& options,
                                const Machine& machine) {
  TRY_ASSIGN(const RewiredGraph rewired, Wire(model, options));
  return ForwardPlanner(options, rewired, machine).PlanInMode();
}

Result<uint64_t> LargestBatch(const ForwardModel& model, const ForwardOptions& options,
                              const Machine& machine, uint64_t bytes_per_sample, uint64_t most) {
  TRY_ASSIGN(const RewiredGraph rewired, Wire(model, options));
  const uint64_t limit = options.memory_bytes != 0 ? options.memory_bytes : machine.available_bytes;
  const auto fits = [&](uint64_t batch) {
    if (bytes_per_sample != 0 && batch > limit / bytes_per_sample) return false;
    ForwardOptions tried = options;
    tried.batch = batch;
    tried.memory_bytes = limit - batch * bytes_per_sample;
    return tried.memory_bytes != 0 &&
           ForwardPlanner(tried, rewired, machine).PlanInMode().has_value();
  };
  uint64_t good = 0, bad = std::max<uint64_t>(most, 1) + 1;
  for (uint64_t next = 1; bad - good > 1;) {  // doubles until it does not fit, then halves
    (fits(next) ? good : bad) = next;
    next = good * 2 < bad && good == next ? std::min(good * 2, bad - 1) : good + (bad - good) / 2;
  }
  return good;
}

}  // namespace tinyai
