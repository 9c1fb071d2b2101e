#include "engine/layer_scheduler.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/catch_no_memory.h"
#include "engine/this_machine.h"
#include "fmt/format.h"
#include "os/measure_scratch.h"

namespace tinyai {
namespace {

// The model's layers as the plan executes them.
std::vector<uint32_t> OrderOf(const ForwardPlan& plan) {
  const ForwardLifetimes lifetimes(*plan.graph, plan.plan);
  std::vector<uint32_t> order;
  for (const uint32_t group : lifetimes.order()) {
    for (const LayerGroup::Member& member : plan.groups[group].members) {
      order.push_back(member.layer);
    }
  }
  return order;
}

// Where nobody has asked the doctor. Measured once: all plans of a process agree.
void TakeScratchRates(Rates& rates) {
  static const std::optional<ScratchRate> measured = []() -> std::optional<ScratchRate> {
    Budget budget("measuring", Budget::kUnlimited);
    Result<ScratchRate> rate = MeasureScratchRate(budget);
    return rate ? std::optional(*rate)
                : std::nullopt;  // what cannot be written is told by the pass
  }();
  if (!measured) return;
  rates.spill_bytes_per_second = measured->write_bytes_per_second;
  rates.fetch_bytes_per_second = measured->read_bytes_per_second;
}

}  // namespace

LayerScheduler::LayerScheduler(std::shared_ptr<MappedModel> model,
                               const LayerSchedulerOptions& options)
    : model_(std::move(model)),
      options_(options),
      in_place_(model_->defaults().in_place),
      strategies_(model_->layer_count()) {}

LayerScheduler::~LayerScheduler() = default;

ForwardOptions LayerScheduler::OptionsFor(PlanMode mode) const {
  ForwardOptions options{.mode = mode,
                         .resident_bytes = model_->cache().available_bytes(),
                         .activation_bytes = options_.activation_bytes,
                         .in_place = in_place_->enabled,
                         .bands = options_.recompute,
                         .recompute = options_.checkpointing && options_.recompute,
                         .spill = options_.checkpointing && !options_.recompute};
  for (uint32_t layer = 0; layer < strategies_.size(); ++layer) {
    if (strategies_[layer] == CheckpointStrategy::kKeep) options.kept.push_back(layer);
    if (strategies_[layer] == CheckpointStrategy::kStore) options.spilled.push_back(layer);
    if (strategies_[layer] == CheckpointStrategy::kRecompute) options.recomputed.push_back(layer);
  }
  return model_->WithinShare(std::move(options), pass_ != nullptr ? process_.get() : nullptr);
}

Result<ForwardPlan> LayerScheduler::PlanIn(const ForwardOptions& options) const {
  const ForwardModel model = model_->forward();
  Machine machine = ThisMachine(options.threads);
  if (options.spill && !machine.rates.measured) TakeScratchRates(machine.rates);
  TRY_ASSIGN(ForwardPlan plan, PlanForward(model, options, machine));
  // A caller goes through the layers by their numbers: what the plan executes earlier than that has
  // to be there until it is asked for.
  std::vector<uint32_t> early;
  const std::vector<uint32_t> order = OrderOf(plan);
  for (size_t i = order.size(); i-- > 0;) {
    const bool is_early = std::any_of(order.begin() + static_cast<ptrdiff_t>(i), order.end(),
                                      [&](uint32_t later) { return later < order[i]; });
    if (is_early) early.push_back(order[i]);
  }
  if (early.empty()) return plan;
  ForwardOptions kept = options;
  kept.kept.insert(kept.kept.end(), early.begin(), early.end());
  return PlanForward(model, kept, machine);
}

Result<ForwardPlan> LayerScheduler::PlanWithinLimits(const ForwardOptions& options) const {
  TRY_ASSIGN(ForwardPlan plan, PlanIn(options));
  const uint64_t bytes = plan.activation_bytes();
  if (options_.activation_bytes == 0 || bytes <= options_.activation_bytes) return plan;
  return Fail(ErrorCode::kBudget, "BUDGET_INFEASIBLE",
              fmt::format("the activations need {} bytes; max_activation_memory allows {}", bytes,
                          options_.activation_bytes));
}

// Of the plans within the limits, from that of least memory to the fastest, the one as far along as
// the speed says.
Result<ForwardPlan> LayerScheduler::Choose() const {
  std::vector<ForwardPlan> plans;
  std::optional<Error> failed;
  const auto add = [&](const ForwardOptions& options) {
    Result<ForwardPlan> plan = PlanWithinLimits(options);
    if (plan) {
      plans.push_back(*std::move(plan));
    } else if (!failed) {
      failed = plan.error();  // of what needs least
    }
    return plan.has_value();
  };
  if (options_.checkpointing) {
    add(OptionsFor(PlanMode::kStreaming));
    add(OptionsFor(PlanMode::kMemoryOptimised));
  }
  if (!add(OptionsFor(PlanMode::kNormal)) && !options_.checkpointing) {
    // All outputs stay all the same where not all weights can.
    failed.reset();
    ForwardOptions lean = OptionsFor(PlanMode::kMemoryOptimised);
    for (uint32_t layer = 0; layer < strategies_.size(); ++layer) lean.kept.push_back(layer);
    add(lean);
  }
  if (plans.empty() && options_.checkpointing && options_.recompute) {
    ForwardOptions spilling = OptionsFor(PlanMode::kStreaming);
    spilling.spill = true;
    add(spilling);
  }
  if (plans.empty()) {
    const SharedBudget* const share = model_->shared_budget();
    if (share != nullptr) return share->Explain(*std::move(failed));
    return tl::unexpected<Error>(*std::move(failed));
  }
  std::ranges::stable_sort(plans, {}, &ForwardPlan::peak_bytes);
  const double last = static_cast<double>(plans.size() - 1);
  return std::move(plans[static_cast<size_t>(std::lround(options_.speed * last))]);
}

LayerPlan LayerScheduler::Describe(const ForwardPlan& plan) const {
  const ForwardLifetimes lifetimes(*plan.graph, plan.plan);
  const uint64_t activations = plan.activation_bytes();
  LayerPlan out{
      .order = OrderOf(plan),
      .peak_bytes = plan.peak_bytes(),
      .activation_bytes = activations,
      .weight_bytes = plan.bytes({BufferKind::kResident, BufferKind::kRing, BufferKind::kStaging}),
      .workspace_bytes = plan.bytes({BufferKind::kWorkspace}),
      .least_bytes = plan.report.least_budget_bytes,
      .recompute_ratio = plan.recompute_ratio,
      .scratch_bytes = plan.plan.scratch_bytes,
      .spilled_bytes = plan.report.spilled_bytes};
  uint64_t sum = 0;
  for (const uint32_t layer : lifetimes.order()) {
    sum += out.peak_bytes - activations + std::min(activations, lifetimes.layer_bytes(layer));
  }
  out.average_bytes = sum / std::max<size_t>(1, lifetimes.order().size());
  return out;
}

Status LayerScheduler::MakePlan() {
  Forget();
  TRY_ASSIGN(ForwardPlan plan, Choose());
  const uint64_t kept = std::min(plan.bytes({BufferKind::kResident}), plan.options.resident_bytes);
  TRY_ASSIGN(reservation_, CacheReservation::Take(model_->cache(), kept));
  plan_ = Describe(plan);
  next_ = std::make_unique<ForwardPlan>(std::move(plan));
  return {};
}

void LayerScheduler::Forget() {
  pass_.reset();
  next_.reset();
  plan_.reset();
  reservation_ = {};
}

Result<LayerPlan> LayerScheduler::PlanAllResident() const {
  ForwardOptions options = OptionsFor(PlanMode::kNormal);
  options.resident_bytes = ~uint64_t{0};
  TRY_ASSIGN(const ForwardPlan plan, PlanIn(options));
  return Describe(plan);
}

Status LayerScheduler::SetStrategy(uint32_t layer, CheckpointStrategy strategy) {
  const bool may_go =
      strategy == CheckpointStrategy::kStore || strategy == CheckpointStrategy::kRecompute;
  if (may_go && !options_.checkpointing) {
    return Fail(ErrorCode::kUsage, "CONFIG",
                "without checkpointing every output stays; set enable_checkpointing");
  }
  if (strategy == CheckpointStrategy::kRecompute && !options_.recompute) {
    return Fail(ErrorCode::kUsage, "CONFIG",
                "nothing is computed again; set recompute_activations");
  }
  const CheckpointStrategy before = std::exchange(strategies_[layer], strategy);
  if (options_.activation_bytes != 0) {
    if (const Result<ForwardPlan> possible = Choose(); !possible) {
      strategies_[layer] = before;
      return tl::unexpected<Error>(possible.error());
    }
  }
  Forget();
  return {};
}

Status LayerScheduler::Start() {
  if (pass_ != nullptr) return {};
  if (next_ == nullptr) TRY(MakePlan());
  SharedBudget* const share = model_->shared_budget();
  process_ = std::make_unique<Budget>("layer scheduler", Budget::kUnlimited,
                                      share != nullptr ? &share->budget() : nullptr);
  const std::unique_ptr<ForwardPlan> plan = std::move(next_);  // made again if this fails
  if (share != nullptr) share->MakeRoom(plan->peak_bytes());
  TRY_ASSIGN(pass_, ForwardPass::Open(model_->forward(), std::move(*plan), *process_));
  began_ = false;
  return {};
}

Status LayerScheduler::Execute(uint32_t layer, std::span<const float* const> inputs) {
  TRY(Start());
  if (!began_ || (pass_->is_complete() && InputBytes(layer) > 0)) {
    if (pass_->plan().options.in_place != in_place_->enabled) {
      TRY(MakePlan());
      TRY(Start());
    }
    TRY(pass_->Begin(1));
    began_ = true;
  }
  model_->cache().BeginUse(layer);
  const Status ran = CatchNoMemory([&] { return RunThrough(layer, inputs); });
  model_->cache().EndUse(layer);
  if (!ran) began_ = false;
  return ran;
}

Result<LayerOutput> LayerScheduler::Output(uint32_t layer) const {
  const std::optional<LayerOutput> output = pass_->Output(layer);
  if (!output) {
    return Fail(ErrorCode::kUsage, "OUTPUT_GONE",
                fmt::format("layer {} was executed before and its output was not kept; ask for it "
                            "when it is executed, or set its strategy to KEEP",
                            layer));
  }
  return *output;
}

Status LayerScheduler::RunThrough(uint32_t layer, std::span<const float* const> inputs) {
  const SimdScope scope(model_->SimdLevelFor(layer));
  return pass_->RunThrough(layer, inputs);
}

uint64_t LayerScheduler::InputBytes(uint32_t layer) const {
  uint64_t bytes = 0;
  for (const ValueId operand : graph().layers[layer].operands) {
    if (std::ranges::find(graph().inputs, operand) == graph().inputs.end()) continue;
    uint64_t size = sizeof(float);
    for (const uint64_t axis : graph().value(operand).shape) size *= axis;
    bytes += size;
  }
  return bytes;
}

}  // namespace tinyai
