#include "engine/forward_plan.h"

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "engine/checked_read_queue.h"
#include "engine/forward_lifetimes.h"
#include "engine/session_plan.h"
#include "fmt/format.h"
#include "graph/changes.h"
#include "graph/recompute.h"
#include "graph/spill.h"
#include "plan/activation_peak.h"
#include "plan/choose_bands.h"
#include "plan/choose_evictions.h"
#include "run/layer_ops.h"

namespace tinyai {
namespace {

constexpr std::string_view kInfeasible = "BUDGET_INFEASIBLE";
// Sizes of bands that are tried between the smallest and none, where memory is short.
constexpr int kBandSteps = 5;
// And where it is shortest: what activations take, of the least that bands come to.
constexpr double kBandShares[] = {0, 1.15, 1.5};

// Plans one pass in any of the modes.
class ForwardPlanner {
 public:
  ForwardPlanner(const ForwardOptions& options, const RewiredGraph& rewired,
                 const ForwardRequest& request)
      : options_(options), rewired_(rewired), request_(request) {}

  Result<ForwardPlan> PlanInMode() const {
    Result<ForwardPlan> plan = TryMode();
    const bool refused = !plan && plan.error().key == kInfeasible && request_.thorough;
    if (!refused || options_.mode == PlanMode::kNormal) return plan;
    TRY_ASSIGN(const ForwardPlan least, PlanLeast());
    TRY_ASSIGN(BandedGraph graph, ApplyChanges(LeanGraph(), least.changes));
    return Compile(std::move(graph), options_.mode);
  }

  Result<ForwardPlan> PlanLeast() const {
    TRY_ASSIGN(const BandedGraph start, LeanStart());
    Result<ForwardPlan> least = Compile(start, PlanMode::kStreaming, CompileLeast);
    for (BandedGraph& variant : Variants(start)) {
      least = Smaller(std::move(least),
                      Compile(std::move(variant), PlanMode::kStreaming, CompileLeast));
    }
    return least;
  }

 private:
  Result<ForwardPlan> TryMode() const {
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
    if (options_.keeps_all) {
      if (Result<ForwardPlan> normal = PlanNormal(); Fits(normal)) return normal;
    }
    Result<ForwardPlan> lean = PlanLean(PlanMode::kAdaptive);
    if (Fits(lean)) {
      lean->mode = PlanMode::kMemoryOptimised;  // in which some weights may stay
      return lean;
    }
    Result<ForwardPlan> narrow = PlanNarrowFast(std::move(lean));
    if (request_.thorough) return narrow;
    if (!Fits(narrow)) return PlanLean(PlanMode::kStreaming);
    narrow->mode = PlanMode::kStreaming;
    return narrow;
  }

  // Whether there is such a plan, and its activations keep within their limit.
  bool Fits(const Result<ForwardPlan>& plan) const {
    if (!plan) return false;
    return options_.activation_bytes == 0 || plan->activation_bytes() <= options_.activation_bytes;
  }

  // The layers of the rewired graph of which this is true.
  template <typename Predicate>
  Graph WithOutputs(Predicate&& stays) const {
    Graph graph = rewired_.graph;
    std::vector<uint32_t> layers;
    for (uint32_t i = 0; i < rewired_.origin.size(); ++i) {
      if (stays(rewired_.origin[i])) layers.push_back(i);
    }
    KeepOutputs(graph, layers);
    return graph;
  }
  static bool Has(const std::vector<uint32_t>& layers, uint32_t layer) {
    return std::find(layers.begin(), layers.end(), layer) != layers.end();
  }

  Result<ForwardPlan> PlanNormal() const {
    Graph graph = WithOutputs([&](uint32_t layer) {
      return options_.keeps_all ? !Has(options_.not_kept, layer) : Has(options_.kept, layer);
    });
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
  Graph LeanGraph() const {
    return WithOutputs([&](uint32_t layer) { return Has(options_.kept, layer); });
  }
  Result<BandedGraph> LeanStart() const { return WithEvicted(WithoutBands(LeanGraph())); }

  Result<ForwardPlan> PlanLean(PlanMode mode) const {
    TRY_ASSIGN(BandedGraph start, LeanStart());
    Result<ForwardPlan> best = Compile(start, mode);
    if (start.graph.is_text()) return best;
    if (mode == PlanMode::kStreaming) return PlanNarrow(std::move(start), std::move(best), mode);
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

  // Nothing fits but what kStreaming does: the fastest of that.
  Result<ForwardPlan> PlanNarrowFast(Result<ForwardPlan> lean) const {
    TRY_ASSIGN(BandedGraph start, LeanStart());
    if (start.graph.is_text()) return lean;
    return PlanNarrow(std::move(start), std::move(lean), PlanMode::kAdaptive);
  }

  // In bands where that is allowed, and evicting whatever lowers the peak: what takes the least
  // memory, or in kAdaptive the least time, of what fits.
  Result<ForwardPlan> PlanNarrow(BandedGraph start, Result<ForwardPlan> best, PlanMode mode) const {
    struct Tried {
      std::vector<GraphChange> changes;
      bool fits;
    };
    std::vector<Tried> tried = {{start.changes, Fits(best)}};
    const std::vector<BandedGraph> starts = Starts(std::move(start));
    // Whether the plan for it fits.
    const auto consider = [&](BandedGraph graph) {
      const auto known = std::ranges::find(tried, graph.changes, &Tried::changes);
      if (known != tried.end()) return known->fits;
      std::vector<GraphChange> changes = graph.changes;
      Result<ForwardPlan> plan = Compile(std::move(graph), mode);
      const bool fits = Fits(plan);
      tried.push_back({std::move(changes), fits});
      if (mode == PlanMode::kStreaming) {
        best = Smaller(std::move(best), std::move(plan));
      } else if (fits && (!Fits(best) || IsFaster(*plan, *best))) {
        best = std::move(plan);
      }
      return fits;
    };
    for (size_t i = 0; i + 1 < starts.size(); ++i) consider(starts[i]);
    for (const EvictionOptions& ways : WaysToEvict()) {
      for (const BandedGraph& from : starts) {
        BandedGraph evicted = ChooseEvictions(from, ways).back();
        consider(FetchInTime(evicted, options_.batch));
        consider(std::move(evicted));
      }
    }
    if (mode != PlanMode::kStreaming && Fits(best)) TryFewerBands(starts, consider);
    if (best || !request_.thorough) return best;
    for (BandedGraph& variant : Variants(starts.back())) consider(std::move(variant));
    return best;
  }

  // Bands that keep more memory compute less again: `consider`s, by bisection, those that keep as
  // much as fits.
  template <typename Consider>
  void TryFewerBands(const std::vector<BandedGraph>& starts, const Consider& consider) const {
    uint64_t fits = FindActivationPeak(starts.front().graph, options_.batch).bytes;
    uint64_t too_much = FindActivationPeak(starts.back().graph, options_.batch).bytes;
    for (int i = 0; i < kBandSteps && fits < too_much; ++i) {
      const uint64_t enough = fits + (too_much - fits) / 2;
      (consider(ChooseBands(starts.back(), options_.batch, enough)) ? fits : too_much) = enough;
    }
  }

  // In bands, if that is allowed, first those of least activations, then some fewer, since each
  // band takes memory too; and last as it is.
  std::vector<BandedGraph> Starts(BandedGraph start) const {
    std::vector<BandedGraph> starts;
    if (options_.bands && options_.mode != PlanMode::kMemoryOptimised) {
      uint64_t least = 0;
      for (const double share : kBandShares) {
        const auto enough = static_cast<uint64_t>(share * static_cast<double>(least));
        BandedGraph banded = ChooseBands(start, options_.batch, enough);
        if (least == 0) least = FindActivationPeak(banded.graph, options_.batch).bytes;
        const BandedGraph& before = starts.empty() ? start : starts.back();
        if (banded.changes != before.changes) starts.push_back(std::move(banded));
      }
    }
    starts.push_back(std::move(start));
    return starts;
  }

  // Every graph that may be carried out where memory is shortest, besides the one to start from.
  std::vector<BandedGraph> Variants(const BandedGraph& start) const {
    std::vector<BandedGraph> out;
    if (start.graph.is_text() || options_.mode == PlanMode::kNormal) return out;
    for (BandedGraph& from : Starts(start)) {
      for (const EvictionOptions& ways : WaysToEvict()) {
        for (BandedGraph& step : ChooseEvictions(from, ways)) {
          if (step.changes == from.changes) continue;
          BandedGraph in_time = FetchInTime(step, options_.batch);
          if (in_time.changes != step.changes) out.push_back(std::move(in_time));
          out.push_back(std::move(step));
        }
      }
      if (from.changes != start.changes) out.push_back(std::move(from));
    }
    return out;
  }

  // Only computing again, only the disk, and both, as far as the caller allows them.
  std::vector<EvictionOptions> WaysToEvict() const {
    std::vector<EvictionOptions> ways;
    const auto add = [&](bool recompute, bool spill) {
      ways.push_back({recompute, spill, options_.batch, request_.base.rates});
    };
    if (options_.recompute) add(true, false);
    if (options_.spill) add(false, true);
    if (options_.recompute && options_.spill) add(true, true);
    return ways;
  }
  static bool IsFaster(const ForwardPlan& a, const ForwardPlan& b) {
    return a.report.predicted_tokens_per_second > b.report.predicted_tokens_per_second;
  }
  Result<ForwardPlan> Smaller(Result<ForwardPlan> a, Result<ForwardPlan> b) const {
    return !b || (a && Need(*a) <= Need(*b)) ? std::move(a) : std::move(b);
  }
  // With what is held besides the arena, where that counts.
  uint64_t Need(const ForwardPlan& plan) const {
    return request_.base.arena_only ? plan.peak_bytes() : plan.report.predicted_peak_bytes;
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

  PlanRequest RequestFor(PlanMode mode, const Graph& graph, const ModelWishes* wishes) const {
    PlanRequest request = request_.base;
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
    request.whole_layers = wishes == nullptr || wishes->orders.empty();
    request.wishes = wishes;
    if (request_.bytes_per_op != 0) {
      request.fixed.push_back({"graph", graph.ops.size() * request_.bytes_per_op});
    }
    return request;
  }

  Result<ForwardPlan> Compile(BandedGraph banded, PlanMode mode,
                              decltype(CompilePlan)& compile = CompilePlan) const {
    ForwardPlan out;
    out.options = options_;
    out.groups = std::move(banded.groups);
    for (LayerGroup& group : out.groups) {
      for (LayerGroup::Member& member : group.members) member.layer = rewired_.origin[member.layer];
    }
    out.changes = std::move(banded.changes);
    const double once = Multiplications(rewired_.graph);
    if (once != 0) out.recompute_ratio = Multiplications(banded.graph) / once;
    out.graph = std::make_unique<Graph>(std::move(banded.graph));
    SetScratchBytes(*out.graph);
    std::optional<ModelWishes> wishes;
    if (request_.wishes) {
      TRY_ASSIGN(wishes, request_.wishes(*out.graph));
    }
    const PlanRequest request = RequestFor(mode, *out.graph, wishes ? &*wishes : nullptr);
    Result<Planned> planned = compile(*out.graph, request);
    if (!planned) return Explain(std::move(planned).error(), out, request);
    out.plan = std::move(planned->plan);
    out.report = std::move(planned->report);
    out.details = std::move(planned->details);
    out.mode = mode;
    return out;
  }

  tl::unexpected<Error> Explain(Error error, const ForwardPlan& plan,
                                const PlanRequest& request) const {
    const Graph& graph = *plan.graph;
    if (error.key != kInfeasible) return tl::unexpected<Error>(std::move(error));
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
  const ForwardRequest& request_;
};

ForwardRequest RequestOf(const ForwardOptions& options, const Machine& machine) {
  ForwardRequest request;
  request.base.budget_bytes =
      options.memory_bytes != 0 ? options.memory_bytes : machine.available_bytes;
  request.base.workers = options.threads != 0 ? options.threads : std::max(1u, machine.threads);
  request.base.rates = machine.rates;
  request.base.arena_only = true;
  return request;
}

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
  return PlanForward(model, options, RequestOf(options, machine));
}

Result<ForwardPlan> PlanForward(const ForwardModel& model, const ForwardOptions& options,
                                const ForwardRequest& request) {
  TRY_ASSIGN(const RewiredGraph rewired, Wire(model, options));
  return ForwardPlanner(options, rewired, request).PlanInMode();
}

Result<ForwardPlan> PlanLeastForward(const ForwardModel& model, const ForwardOptions& options,
                                     const ForwardRequest& request) {
  TRY_ASSIGN(const RewiredGraph rewired, Wire(model, options));
  return ForwardPlanner(options, rewired, request).PlanLeast();
}

void SetScratchBytes(Graph& graph) {
  if (graph.is_text()) return;
  for (Op& op : graph.ops) op.scratch_bytes = ScratchBytes(graph, op);
}

uint64_t LargestThatFits(uint64_t most, const std::function<bool(uint64_t)>& fits) {
  uint64_t good = 0, bad = std::max<uint64_t>(most, 1) + 1;
  for (uint64_t next = 1; bad - good > 1;) {  // doubles until it does not fit, then halves
    (fits(next) ? good : bad) = next;
    next = good * 2 < bad && good == next ? std::min(good * 2, bad - 1) : good + (bad - good) / 2;
  }
  return good;
}

Result<uint64_t> LargestBatch(const ForwardModel& model, const ForwardOptions& options,
                              const Machine& machine, uint64_t bytes_per_sample, uint64_t most) {
  TRY_ASSIGN(const RewiredGraph rewired, Wire(model, options));
  const uint64_t limit = options.memory_bytes != 0 ? options.memory_bytes : machine.available_bytes;
  return LargestThatFits(most, [&](uint64_t batch) {
    if (bytes_per_sample != 0 && batch > limit / bytes_per_sample) return false;
    ForwardOptions tried = options;
    tried.batch = batch;
    tried.memory_bytes = limit - batch * bytes_per_sample;
    const ForwardRequest request = RequestOf(tried, machine);
    return tried.memory_bytes != 0 &&
           ForwardPlanner(tried, rewired, request).PlanInMode().has_value();
  });
}

}  // namespace tinyai
