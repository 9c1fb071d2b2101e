#include <algorithm>
#include <memory>
#include <optional>

#include "base/checked.h"
#include "base/units.h"
#include "fmt/format.h"
#include "plan/check_plan.h"
#include "plan/compile_net.h"
#include "plan/details.h"
#include "plan/draft.h"
#include "plan/model_net.h"
#include "plan/simulate_plan.h"
#include "plan/sizing.h"

namespace tinyai {
namespace {

void ExplainOrder(const Graph& graph, const PlanRequest& request, const Sizes& sizes,
                  Reasons& reasons) {
  const OpOrder order = OrderOps(graph, request, sizes.chunk);
  const bool wished = request.wishes != nullptr && !request.wishes->orders.empty();
  const bool own = std::is_sorted(order.ops.begin(), order.ops.end());
  reasons.Add("order", fmt::format("the ops run in {}: activations of {} at once, {}",
                                   wished ? "the order that the schedule wants"
                                   : own  ? "the model's own order"
                                          : "an order of our own",
                                   FormatByteSize(order.peak_bytes),
                                   order.peak_bytes == order.lower_bound_bytes
                                       ? "proved to be the least of any order"
                                       : fmt::format("where no order needs less than {}",
                                                     FormatByteSize(order.lower_bound_bytes))));
}

tl::unexpected<Error> Infeasible(const PlanRequest& request, const PlanReport& least) {
  std::string parts;
  for (const Component& component : least.components) {
    parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", component.name,
                         FormatByteSize(component.bytes));
  }
  return Fail(
      ErrorCode::kBudget, "BUDGET_INFEASIBLE",
      fmt::format("a budget of {} ({} bytes) cannot work; need={} ({}): {}",
                  FormatByteSize(request.budget_bytes), request.budget_bytes,
                  least.least_budget_bytes, FormatByteSize(least.least_budget_bytes), parts));
}

// In whole pages: the limit of a cgroup is counted in them.
uint64_t LeastBudget(const PlanRequest& request, const PlanReport& report) {
  return RoundUp(report.predicted_peak_bytes, request.page_bytes);
}

Reasons LeastReasons(const PlanRequest& request) {
  Reasons reasons(request.details);
  reasons.Add("ring and chunk", "the smallest there are: this is the least budget that works");
  return reasons;
}

// Of the paths of a pass that cross most often between two places: how often into the second, and
// back.
struct Crossings {
  uint64_t there = 0, back = 0;
};
Crossings MostCrossings(const TaskNet& net, PlaceId home, PlaceId away) {
  std::vector<uint64_t> crossed(net.ops.size(), 0);  // on paths up to an op, from `home`
  std::vector<bool> reached(net.ops.size(), false);  // by a path from an op of the two
  uint64_t most = 0;
  for (const NetNeed& need : Needs(net)) {
    if (need.distance != 0) continue;
    const PlaceId from = net.op(need.earlier).choices[0].place;
    const PlaceId to = net.op(need.later).choices[0].place;
    const bool crosses = (from == home && to == away) || (from == away && to == home);
    const bool counts = reached[Index(need.earlier)] || from == home;
    if (!counts) continue;
    reached[Index(need.later)] = true;
    uint64_t& later = crossed[Index(need.later)];
    later = std::max(later, crossed[Index(need.earlier)] + (crosses ? 1 : 0));
    most = std::max(most, later);
  }
  return {(most + 1) / 2, most / 2};
}

// The fewest syncs of a pass, whatever the order: a slot is read into again only after its use, so
// a chain of loads and uses crosses between CPU and DISK twice for each round of the ring
// (scheduling.md 2.5: the maximum cycle ratio); embedding rows go there and back in every pass.
// What the device waits for are other syncs than those of CPU, DISK and DISK.rows; CPU may learn of
// the device and of DISK in one.
uint64_t LeastSyncs(const ModelNet& model, const Sizes& sizes) {
  uint64_t streamed = 0;
  for (const auto& work : model.work) {
    const auto* const load = std::get_if<step::Load>(&work);
    streamed += load != nullptr && !load->once ? 1 : 0;
  }
  const uint64_t rounds = streamed == 0 ? 0 : CeilDiv(2 * streamed, sizes.ring_slots);
  const uint64_t reading = rounds + (model.staging ? 2 : 0);
  if (!model.device_rope) return reading;
  const Crossings crossings = MostCrossings(model.net, PlaceId(kCpuQueue), PlaceId(kDeviceQueue));
  const uint64_t by_readers = (model.staging ? 1 : 0) + (streamed == 0 ? 0 : 1);
  return crossings.there + std::max(reading, crossings.back + by_readers);
}

// Whether they say when something is to be done: then no wait is changed.
bool OrderSomething(const ModelWishes& wishes) {
  return !(wishes.orders.empty() && wishes.loads.empty() && wishes.ahead.empty() &&
           wishes.loads_after.empty() && wishes.loads_before.empty());
}

// The same in the same time with fewer syncs, where there is slack for that.
std::optional<PlannedNet> WithFewerSyncs(const TaskNet& net, NetDraft own,
                                         const PlannedNet& planned) {
  constexpr double kHalfway = 0.5;
  const double makespan = planned.simulation.makespan;
  own.extra = MergeWaits(net, own.order, planned.plan, makespan, kHalfway);
  if (own.extra.empty()) return std::nullopt;
  Result<PlannedNet> fewer = PlanInOrder(net, own);
  const bool better = fewer && fewer->simulation.makespan <= makespan * (1 + 1e-9) &&
                      fewer->plan.syncs() < planned.plan.syncs();
  return better ? std::optional(*std::move(fewer)) : std::nullopt;
}

void ExplainChoice(double evenly_seconds, double seconds, PlanDraft& draft) {
  if (!draft.reasons.wanted()) return;
  const auto stay = std::count_if(draft.slices.begin(), draft.slices.end(),
                                  [](const Slice& slice) { return slice.resident; });
  draft.reasons.Add(
      "weights",
      fmt::format(
          "{} of {} slices stay, and the ring has {} slots, as is best for the chain of the "
          "slices: a pass takes {:.4g} ms; with the streamed ones spread evenly it would "
          "take {:.4g} ms",
          stay, draft.slices.size(), draft.ring_slots(), seconds * 1e3, evenly_seconds * 1e3));
}

// Plans one request: sizes, then what stays, then everything that follows from the net.
class ModelPlanner {
 public:
  ModelPlanner(const Graph& graph, const PlanRequest& request)
      : graph_(graph), request_(request), sizing_(graph, request) {
    least_ = sizing_.FindLeast(sizing_.LeastChunk());
  }

  Result<Planned> PlanLeast() {
    TRY_ASSIGN(Built least, BuildLeast());
    least.out.report.least_budget_bytes = LeastBudget(request_, least.out.report);
    return Show(std::move(least));
  }

  Result<Planned> PlanWithin() {
    TRY_ASSIGN(Built built, BuildLeast());
    const uint64_t least_bytes = LeastBudget(request_, built.out.report);
    built.out.report.least_budget_bytes = least_bytes;
    if (request_.budget_bytes < least_bytes) return Infeasible(request_, built.out.report);
    const uint64_t room = RoomWithin(request_, request_.budget_bytes - FixedBytes(request_));
    if (room >= LeastRoom()) {
      TRY_ASSIGN(Built chosen, PlanInMode(room));
      const bool streaming = request_.mode == PlanMode::kStreaming;
      built = streaming ? Smaller(std::move(built), std::move(chosen)) : std::move(chosen);
    }
    TRY_ASSIGN(Planned planned, Show(std::move(built)));
    planned.report.least_budget_bytes = least_bytes;
    if (request_.details) {
      TRY_ASSIGN(planned.report.largest_chunk, LargestChunk(room));
    }
    return planned;
  }

 private:
  struct PassPlan {
    PlanDraft draft;
    uint64_t resident_bytes = 0;
    ModelNet model;
    PlannedNet planned;
  };
  // A plan, and what it was made of: only where details are asked for, with its syncs before some
  // were merged.
  struct Built {
    Planned out;
    std::unique_ptr<PassPlan> pass;
    PlannedNet merged;
  };

  // A model may be so small that what saves memory elsewhere takes more.
  static Built Smaller(Built a, Built b) {
    return a.out.report.predicted_peak_bytes <= b.out.report.predicted_peak_bytes ? std::move(a)
                                                                                  : std::move(b);
  }

  uint64_t LeastRoom() const { return least_.room() + request_.io_alignment; }
  Result<Built> BuildLeast() { return Build(least_.sizes, LeastRoom(), LeastReasons(request_)); }

  // Exactly: what the rounding of sizes hides is tried out.
  Result<uint64_t> LargestChunk(uint64_t room) {
    for (uint64_t chunk = sizing_.LargestChunk(room);; ++chunk) {
      if (chunk == request_.context) return chunk;
      const Sizing::Least least = sizing_.FindLeast(chunk + 1);
      TRY_ASSIGN(const Built next, Build(least.sizes, least.room() + request_.io_alignment, {}));
      if (LeastBudget(request_, next.out.report) > request_.budget_bytes) return chunk;
    }
  }

  // In at least the least room.
  Result<Built> PlanInMode(uint64_t room) {
    if (request_.mode == PlanMode::kNormal) return PlanNormal(room);
    if (request_.mode != PlanMode::kAdaptive) return PlanMemoryOptimised(room);
    return PlanFastest(RoomByTradeoff(room));
  }

  Result<Built> PlanFastest(uint64_t room) {
    Reasons reasons(request_.details);
    const Sizes sizes = sizing_.Choose(least_, room, reasons);
    return Build(sizes, room, std::move(reasons), true);
  }

  // Between the least room and what the fastest plan takes.
  uint64_t RoomByTradeoff(uint64_t room) {
    if (request_.speed >= 1) return room;
    const Sizes all = sizing_.AllResident(room, 1);
    const uint64_t most = all.chunk == 0 ? room : std::min(room, sizing_.RoomForAll(all.chunk));
    const double more = static_cast<double>(most - std::min(most, LeastRoom())) * request_.speed;
    return RoundDown(LeastRoom() + static_cast<uint64_t>(more), request_.io_alignment);
  }

  Result<Built> PlanNormal(uint64_t room) {
    const Sizes sizes = sizing_.AllResident(room, 1);
    if (sizes.chunk == 0) {
      const uint64_t all = sizing_.RoomForAll(sizing_.LeastChunk());
      const uint64_t need = FixedBytes(request_) + BytesForRoom(request_, all);
      return Fail(ErrorCode::kBudget, "BUDGET_INFEASIBLE",
                  fmt::format("a budget of {} does not hold every weight; need={} ({}), or another "
                              "mode than normal",
                              FormatByteSize(request_.budget_bytes), need, FormatByteSize(need)));
    }
    Reasons reasons(request_.details);
    reasons.Add("mode", "normal: every weight stays");
    return Build(sizes, room, std::move(reasons));
  }

  // The chunk of the normal mode, where that fits, so that it never takes more memory than that.
  Result<Built> PlanMemoryOptimised(uint64_t room) {
    const Sizes all = sizing_.AllResident(room, 1);
    const uint64_t chunk = all.chunk != 0 ? all.chunk : sizing_.FullSpeedChunk(room);
    const Sizing::Least least = sizing_.FindLeast(chunk);
    Reasons reasons(request_.details);
    reasons.Add("mode", "memory-optimised: the least ring and no more weights than have to stay");
    const uint64_t enough = std::min(room, least.room() + request_.io_alignment);
    TRY_ASSIGN(Built built, Build(least.sizes, enough, std::move(reasons)));
    if (all.chunk == 0) return built;
    TRY_ASSIGN(Built normal, PlanNormal(room));
    return Smaller(std::move(built), std::move(normal));
  }

  // With so many bytes for the arena and the plan. `may_choose`: what stays may be chosen anew once
  // the plan is simulated.
  Result<Built> Build(const Sizes& sizes, uint64_t room, Reasons reasons, bool may_choose = false) {
    PlanDraft draft = sizing_.NewDraft(sizes);
    draft.reasons = reasons;
    const uint64_t resident_room =
        std::min(room - sizing_.BufferBytes(sizes), request_.resident_bytes);
    const uint64_t resident = ChooseResident(draft, resident_room);
    TRY_ASSIGN(PassPlan evenly, PlanPass(std::move(draft), resident));
    std::optional<PassPlan> better =
        may_choose ? BetterByChain(evenly, resident_room, std::move(reasons)) : std::nullopt;
    return Finish(better ? *std::move(better) : std::move(evenly));
  }

  Result<PassPlan> PlanPass(PlanDraft draft, uint64_t resident) {
    const uint64_t samples = graph_.is_text() ? 1 : draft.sizes.chunk;
    ModelNet model = BuildModelNet(draft, resident, samples);
    TRY_ASSIGN(PlannedNet planned, PlanInOrder(model.net, OwnDraft(model)));
    return PassPlan{std::move(draft), resident, std::move(model), std::move(planned)};
  }
  static NetDraft OwnDraft(const ModelNet& model) {
    return {InOrder(model.net), OnlyPlaces(model.net), {}};
  }

  // What the chain of the slices says, if the simulation agrees. `reasons`: those from before what
  // stays was chosen.
  std::optional<PassPlan> BetterByChain(const PassPlan& evenly, uint64_t resident_room,
                                        Reasons reasons) {
    const double seconds = evenly.planned.simulation.makespan;
    auto choice = ChooseByChain(evenly.draft, evenly.model, resident_room, seconds);
    if (!choice) return std::nullopt;
    choice->draft.reasons = std::move(reasons);
    Result<PassPlan> other = PlanPass(std::move(choice->draft), choice->resident_bytes);
    if (!other || other->planned.simulation.makespan >= seconds) return std::nullopt;
    ExplainChoice(seconds, other->planned.simulation.makespan, other->draft);
    return *std::move(other);
  }

  Result<Built> Finish(PassPlan pass) {
    const ModelNet& model = pass.model;
    std::optional<PlannedNet> merged;
    if (request_.wishes == nullptr || !OrderSomething(*request_.wishes)) {
      merged = WithFewerSyncs(model.net, OwnDraft(model), pass.planned);
    }
    const PlannedNet& planned = merged ? *merged : pass.planned;
    Built built{{LowerPlan(pass.draft, model, planned.plan), {}, {}}, {}, {}};
    Plan& plan = built.out.plan;
    DeriveJoins(graph_, plan);
    if (request_.wishes != nullptr) AddAskedJoins(*request_.wishes, plan);
    built.out.report = ReportOn(graph_, request_, plan);
    ReportSpeed(planned.simulation, built.out.report);
    built.out.report.arena_least_bytes = planned.peaks[0].lower_bound;
    if (!request_.details) return built;
    built.merged = merged ? *std::move(merged) : pass.planned;
    built.pass = std::make_unique<PassPlan>(std::move(pass));
    return built;
  }

  // What is handed out: checked, and with the details that are asked for.
  Result<Planned> Show(Built built) const {
    TRY(CheckPlan(graph_, built.out.plan));
    if (!built.pass) return std::move(built.out);
    PlanDraft& draft = built.pass->draft;
    ModelNet& model = built.pass->model;
    PlannedNet& planned = built.merged;
    planned.sync_curve = SyncCurve(model.net, OwnDraft(model), built.pass->planned);
    planned.syncs.lower_bound = LeastSyncs(model, draft.sizes);
    ExplainOrder(graph_, request_, draft.sizes, draft.reasons);
    ExplainResidency(draft, model, built.pass->resident_bytes, planned.simulation.makespan,
                     draft.reasons);
    built.out.details = std::make_shared<const PlanDetails>(
        PlanDetails{std::move(model), std::move(planned), draft.reasons.list(), draft.ring_slots(),
                    draft.slot_bytes});
    return std::move(built.out);
  }

  const Graph& graph_;
  const PlanRequest& request_;
  Sizing sizing_;
  Sizing::Least least_;
};

}  // namespace

std::string_view Name(PlanMode mode) {
  constexpr std::string_view kNames[] = {"adaptive", "normal", "memory", "streaming"};
  return kNames[static_cast<size_t>(mode)];
}

PlanReport ReportPlan(const Graph& graph, const PlanRequest& request, const Plan& plan) {
  PlanReport report = ReportOn(graph, request, plan);
  ReportSpeed(SimulatePlan(graph, plan, request), report);
  report.least_budget_bytes = LeastBudget(request, report);
  return report;
}

Result<Planned> CompileLeast(const Graph& graph, const PlanRequest& request) {
  TRY(CheckSizes(graph, request));
  return ModelPlanner(graph, request).PlanLeast();
}

Result<Planned> CompilePlan(const Graph& graph, const PlanRequest& request) {
  TRY(CheckSizes(graph, request));
  return ModelPlanner(graph, request).PlanWithin();
}

}  // namespace tinyai
