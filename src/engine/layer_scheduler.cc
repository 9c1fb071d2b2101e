#include "engine/layer_scheduler.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "os/machine.h"

namespace tinyai {
namespace {

// From here on the faster of two plans is preferred.
constexpr double kPreferSpeed = 0.5;

uint64_t BytesOf(const Plan& plan, std::initializer_list<BufferKind> kinds) {
  uint64_t bytes = 0;
  for (const PlanBuffer& buffer : plan.buffers) {
    if (std::ranges::find(kinds, buffer.kind) != kinds.end()) bytes += buffer.bytes;
  }
  return bytes;
}

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

}  // namespace

LayerScheduler::LayerScheduler(std::shared_ptr<MappedModel> model,
                               const LayerSchedulerOptions& options)
    : model_(std::move(model)), options_(options), strategies_(model_->layer_count()) {}

LayerScheduler::~LayerScheduler() = default;

Result<ForwardPlan> LayerScheduler::PlanIn(PlanMode mode) const {
  const ForwardModel model = model_->forward();
  const Machine machine = ProbeMachine();
  ForwardOptions options{.mode = mode};
  for (uint32_t layer = 0; layer < strategies_.size(); ++layer) {
    if (strategies_[layer] == CheckpointStrategy::kKeep) options.kept.push_back(layer);
  }
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
  options.kept.insert(options.kept.end(), early.begin(), early.end());
  return PlanForward(model, options, machine);
}

// The first that keeps within the limit for activations, from the fastest or from the smallest.
Result<ForwardPlan> LayerScheduler::Choose() const {
  std::vector<PlanMode> modes = {PlanMode::kNormal};
  if (options_.checkpointing) modes.push_back(PlanMode::kMemoryOptimised);
  if (options_.checkpointing && options_.recompute) modes.push_back(PlanMode::kStreaming);
  if (options_.speed < kPreferSpeed) std::ranges::reverse(modes);
  std::optional<Error> failed;
  for (const PlanMode mode : modes) {
    Result<ForwardPlan> plan = PlanIn(mode);
    if (!plan) {
      failed = plan.error();
      continue;
    }
    const uint64_t bytes = Describe(*plan).activation_bytes;
    if (options_.activation_bytes == 0 || bytes <= options_.activation_bytes) return plan;
    failed = Error{ErrorCode::kBudget, "BUDGET_INFEASIBLE",
                   fmt::format("the activations need {} bytes; max_activation_memory allows {}",
                               bytes, options_.activation_bytes)};
  }
  return tl::unexpected<Error>(*std::move(failed));
}

LayerPlan LayerScheduler::Describe(const ForwardPlan& plan) const {
  const uint64_t lasting =
      BytesOf(plan.plan, {BufferKind::kResident, BufferKind::kRing, BufferKind::kCache,
                          BufferKind::kStaging, BufferKind::kWorkspace});
  const uint64_t peak = plan.peak_bytes();
  return {.order = OrderOf(plan),
          .peak_bytes = peak,
          .activation_bytes = peak - std::min(peak, lasting),
          .weight_bytes =
              BytesOf(plan.plan, {BufferKind::kResident, BufferKind::kRing, BufferKind::kStaging}),
          .workspace_bytes = BytesOf(plan.plan, {BufferKind::kWorkspace}),
          .least_bytes = plan.report.least_budget_bytes,
          .recompute_ratio = plan.recompute_ratio};
}

Status LayerScheduler::MakePlan() {
  pass_.reset();
  next_.reset();
  plan_.reset();
  TRY_ASSIGN(ForwardPlan plan, Choose());
  plan_ = Describe(plan);
  next_ = std::make_unique<ForwardPlan>(std::move(plan));
  return {};
}

Result<LayerPlan> LayerScheduler::PlanAllResident() const {
  TRY_ASSIGN(const ForwardPlan plan, PlanIn(PlanMode::kNormal));
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
  pass_.reset();
  next_.reset();
  plan_.reset();
  return {};
}

Status LayerScheduler::Start() {
  if (pass_ != nullptr) return {};
  if (next_ == nullptr) TRY(MakePlan());
  process_ = std::make_unique<Budget>("layer scheduler", Budget::kUnlimited);
  TRY_ASSIGN(pass_, ForwardPass::Open(model_->forward(), std::move(*next_), *process_));
  next_.reset();
  began_ = false;
  return {};
}

Result<LayerOutput> LayerScheduler::Execute(uint32_t layer, std::span<const float* const> inputs) {
  TRY(Start());
  if (!began_ || (pass_->is_complete() && InputBytes(layer) > 0)) {
    TRY(pass_->Begin(1));
    began_ = true;
  }
  model_->cache().BeginUse(layer);
  const Status ran = RunThrough(layer, inputs);
  model_->cache().EndUse(layer);
  if (!ran) {
    began_ = false;
    return tl::unexpected<Error>(ran.error());
  }
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
