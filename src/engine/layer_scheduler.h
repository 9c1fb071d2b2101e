#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/forward_pass.h"
#include "engine/mapped_model.h"

namespace tinyai {

enum class CheckpointStrategy : uint8_t { kAuto, kKeep, kStore, kRecompute };

struct LayerSchedulerOptions {
  bool checkpointing = true;  // else every output stays until the pass ends
  double speed = 0.5;         // 0: least memory .. 1: fastest that fits
  // Outputs need not stay until their next reader: they are computed again, or large maps in bands.
  // Without it they are spilled; with it only where nothing else fits.
  bool recompute = true;
  uint64_t activation_bytes = 0;  // limit; 0: none
};

// What a plan of a layer scheduler says.
struct LayerPlan {
  std::vector<uint32_t> order;
  uint64_t peak_bytes = 0, activation_bytes = 0, weight_bytes = 0, workspace_bytes = 0;
  uint64_t average_bytes = 0;  // of what is held while each of the layers runs
  uint64_t least_bytes = 0;    // the lowest limit with which this mode works
  double recompute_ratio = 1;  // as in ForwardPlan
  uint64_t scratch_bytes = 0;  // of a temporary file, taken while the plan is carried out
  uint64_t spilled_bytes = 0;  // that each pass writes to it
};

// A model's own graph, executed layer by layer within a limit for activations. One thread at a
// time.
class LayerScheduler {
 public:
  LayerScheduler(std::shared_ptr<MappedModel> model, const LayerSchedulerOptions& options);
  ~LayerScheduler();

  // Errors: those of PlanForward, BUDGET_INFEASIBLE where the activations need more than the limit.
  Status MakePlan();
  const LayerPlan* plan() const { return plan_ ? &*plan_ : nullptr; }
  // Where everything stays, whatever the limits.
  Result<LayerPlan> PlanAllResident() const;
  // Of the pass under way, nullptr if there is none.
  const ForwardPass* pass() const { return pass_.get(); }

  // Error CONFIG, BUDGET_INFEASIBLE: nothing was changed then.
  Status SetStrategy(uint32_t layer, CheckpointStrategy strategy);

  // Runs the layer, and before it those that precede it in the plan. `inputs` are read by entry
  // layers: one for each operand, or none. Errors: those of MakePlan and ForwardPass.
  Status Execute(uint32_t layer, std::span<const float* const> inputs);
  // What the layer that was executed last has made. Error OUTPUT_GONE for one that was executed
  // earlier, or together with those behind it, and is not kept.
  Result<LayerOutput> Output(uint32_t layer) const;

  const LayerSchedulerOptions& options() const { return options_; }
  const Graph& graph() const { return model_->model()->graph(); }
  // Bytes that an entry layer reads of the caller's input; 0 of another one.
  uint64_t InputBytes(uint32_t layer) const;

 private:
  ForwardOptions OptionsFor(PlanMode mode) const;
  Result<ForwardPlan> PlanIn(const ForwardOptions& options) const;
  Result<ForwardPlan> PlanWithinLimits(const ForwardOptions& options) const;
  Result<ForwardPlan> Choose() const;
  LayerPlan Describe(const ForwardPlan& plan) const;
  Status Start();
  void Forget();
  Status RunThrough(uint32_t layer, std::span<const float* const> inputs);

  const std::shared_ptr<MappedModel> model_;
  const LayerSchedulerOptions options_;
  const std::shared_ptr<InPlaceSwitch> in_place_;
  std::vector<CheckpointStrategy> strategies_;
  std::optional<LayerPlan> plan_;
  std::unique_ptr<ForwardPlan> next_;  // planned, and not running yet
  CacheReservation reservation_;       // of the model's cache
  std::unique_ptr<Budget> process_;
  std::unique_ptr<ForwardPass> pass_;
  bool began_ = false;
};

}  // namespace tinyai
