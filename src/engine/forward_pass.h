#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "engine/forward_lifetimes.h"
#include "engine/forward_plan.h"
#include "run/executor.h"
#include "run/recorder.h"

namespace tinyai {

// The result of a layer, while it is held: the samples (of a text model, the tokens of the chunk)
// one after the other, `stride` floats from one to the next.
struct LayerOutput {
  const float* data = nullptr;
  Shape shape;
  uint64_t samples = 0;
  uint64_t stride = 0;
};

// Carries a planned pass out, layer by layer or whole, again and again. One thread at a time.
class ForwardPass {
 public:
  // Takes the arena, starts the threads and begins to read weights; holds `trace_bytes` besides to
  // keep when what ran. Errors: those of Executor.
  static Result<std::unique_ptr<ForwardPass>> Open(ForwardModel model, ForwardPlan plan,
                                                   Budget& process, uint64_t trace_bytes = 0);

  const ForwardPlan& plan() const { return plan_; }
  // The model's layers, in the order in which they run.
  std::vector<uint32_t> order() const;

  // Begins a pass; one under way is given up. Of a layer graph: up to the batch of samples. Of a
  // text model: up to plan().plan.chunk tokens, which stand at `position` in the context.
  Status Begin(uint64_t samples);
  Status Begin(std::span<const int32_t> tokens, uint64_t position);

  // Gives a pass under way up: no layer is executed, no output held, the peak begins anew.
  void Reset();

  // Runs the next layer of the order and returns it, as the model numbers it. Layers that are
  // computed in bands together are all computed when the first of them runs. `inputs`: by operand
  // of an entry layer, each as many samples as the pass has; null or missing: zeros. Only read by
  // this call. After an error the pass has to begin again.
  Result<uint32_t> RunNext(std::span<const float* const> inputs = {});
  // Runs all layers up to this one that have not run.
  Status RunThrough(uint32_t layer, std::span<const float* const> inputs = {});
  Status RunAll(std::span<const float* const> inputs = {});

  bool is_scheduled(uint32_t layer) const;
  bool is_executed(uint32_t layer) const;
  // After an error: what is kept from pass to pass is lost when the next one begins.
  bool failed() const { return executor_ == nullptr || executor_->failed(); }
  bool is_complete() const { return done_ == sequence_.size(); }

  // Nothing if it is not scheduled, not executed, or no longer held. Valid until the next run,
  // Begin or MarkUnneeded.
  std::optional<LayerOutput> Output(uint32_t layer) const;
  // The caller will not ask for it again: it goes when no layer needs it any more.
  void MarkUnneeded(uint32_t layer);
  bool is_needed(uint32_t layer) const;
  // Of a text model whose pass is complete: the logits of the last token.
  std::span<const float> Logits() const;

  // Counted where the memory is given out: weights that stay, ring, workspace and the outputs held
  // now; the most of it since the last Begin; and by what for.
  uint64_t memory_bytes() const { return lasting_bytes_ + held_bytes_; }
  uint64_t peak_bytes() const { return peak_bytes_; }
  std::vector<Component> Breakdown() const;
  // Where the plan holds most: while which layer, how much of that activations are, and whose
  // outputs are among these, the largest first.
  struct Peak {
    uint32_t layer = 0;
    uint64_t activation_bytes = 0;
    struct Held {
      uint32_t layer;
      uint64_t bytes;
    };
    std::vector<Held> outputs;
  };
  Peak FindPeak() const;
  ExecutorStats stats() const { return executor_->stats(); }

  // Writes when the last passes did what (engine/measured_trace.h), nothing without `trace_bytes`.
  // Ends the threads: no pass runs from then on.
  Status WriteTrace(const std::string& title, const std::string& path);

 private:
  ForwardPass(ForwardModel model, ForwardPlan plan, Budget& process);
  Status Start();
  // The model's layer in its group, if it is scheduled; and its output, if that is anywhere.
  const LayerGroup::Member* Find(uint32_t layer) const;
  std::optional<ValueId> OutputOf(uint32_t layer) const;
  uint64_t BytesOf(ValueId value) const;
  Status GiveUp();
  void Hold(uint32_t layer);
  void LetGo(ValueId value);
  void Restart(uint64_t samples);

  ForwardModel model_;
  ForwardPlan plan_;
  ForwardLifetimes lifetimes_;
  Budget budget_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<Executor> executor_;  // null where it could not start anew
  // The model's layers in the order in which they are reported: layer of the plan's graph, member.
  struct Place {
    uint32_t group, member;
  };
  std::vector<Place> sequence_;
  std::vector<uint32_t> place_of_;  // by layer of the model: its place in the sequence
  std::vector<bool> unneeded_;      // by value
  std::vector<bool> held_;          // by value
  bool began_ = false;
  size_t done_ = 0;  // places of the sequence
  uint64_t samples_ = 0;
  uint64_t lasting_bytes_ = 0, lasting_end_ = 0;
  uint64_t held_bytes_ = 0, peak_bytes_ = 0;
};

}  // namespace tinyai
