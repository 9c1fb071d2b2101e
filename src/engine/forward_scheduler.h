#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/forward_pass.h"
#include "engine/layer_schedule.h"
#include "engine/mapped_model.h"
#include "engine/text_continuation.h"

namespace tinyai {

// A model's layers, executed one by one as a user wired them, within a limit of memory. One thread
// at a time uses it; several of one model may be used at once.
class ForwardScheduler {
 public:
  // `memory_bytes` for weights, activations and workspace; 0: what the machine has.
  ForwardScheduler(std::shared_ptr<MappedModel> model, PlanMode mode, uint64_t memory_bytes);
  ~ForwardScheduler();
  ForwardScheduler(const ForwardScheduler&) = delete;
  ForwardScheduler& operator=(const ForwardScheduler&) = delete;

  // As LayerSchedule::Add. It has to be prepared again.
  Status Add(int32_t layer, int32_t depends_on, DependencyKind kind, uint64_t output_bytes);
  // Every layer, as the model itself has them; what was added before is forgotten. Prepared again.
  Status AddModel();
  // Samples of a pass, one after the other in input and output. Prepared again.
  Status SetBatch(uint64_t batch);
  // Takes effect with the next text.
  Status SetText(const TextSettings& settings);

  // Bytes to keep records of passes in, besides the limit; 0: none are kept. Prepared again.
  void SetTrace(uint64_t bytes);
  // Writes when the last passes did what to a file, which is replaced. Has to be prepared again.
  // Errors NOT_PREPARED (or without SetTrace), those of AtomicFile.
  Status WriteTrace(const std::string& path);

  // Plans the pass and takes its memory. A pass under way is given up. Errors: those of
  // LayerSchedule::Check, PlanForward and Executor::Create.
  Status Prepare();

  // Executes one layer. `input`: of a text model a text that ends with NUL, else the inputs of the
  // model one after the other, each as many samples as the batch; null: an empty text, zeros.
  // `output`, if there is one, gets the text so far, or with the last sink its result. Nothing: the
  // pass, or the text, is complete. After an error the layer is tried again. Errors NOT_PREPARED,
  // ARG_VALUE, those of ForwardPass::RunNext; `failed` is the layer then.
  Result<std::optional<uint32_t>> ExecuteNext(const void* input, void* output,
                                              std::optional<uint32_t>& failed);
  // What ExecuteNext reads of `input` at most, and what it writes to `output` at most. Error
  // NOT_PREPARED.
  Result<uint64_t> InputBytes() const;
  Result<uint64_t> OutputBytes() const;
  // Nothing is executed; the plan stays, and the weights that are there. A text is forgotten.
  void Reset();

  // The largest batch of at most `most` that fits beside what the caller holds for each sample; 0
  // if not even one does.
  Result<uint64_t> LargestBatch(uint64_t bytes_per_sample, uint64_t most) const;

  void MarkUnneeded(uint32_t layer);
  bool is_executed(uint32_t layer) const;
  bool is_needed(uint32_t layer) const;
  std::optional<LayerOutput> Output(uint32_t layer) const;
  // For the result of a layer of the schedule; of a text model what was asked for.
  uint64_t ReservedBytes(const ScheduledLayer& layer) const;
  const LayerSchedule& schedule() const { return schedule_; }
  bool is_prepared() const { return pass_ != nullptr; }
  const ForwardPass* pass() const { return pass_.get(); }  // null before Prepare
  uint64_t memory_bytes() const;
  uint64_t peak_bytes() const;
  PlanMode mode() const;  // what kAdaptive chose
  MappedModel& model() { return *model_; }

 private:
  const Graph& graph() const { return model_->model()->graph(); }
  ForwardOptions OptionsOf() const;
  Status CheckInputs() const;
  Status PlanAndOpen();
  void Unprepare();
  void FindLastSink();
  Status StartText(const void* input, void* output);
  Status RunNext(const void* input, void* output);
  Status CatchUp(const void* input);
  Status FinishToken();
  Status RestoreContext();
  Status RunOne(uint32_t layer, const void* input);
  Result<std::vector<const float*>> InputsOf(uint32_t layer, const void* input) const;
  void WriteOutput(void* output) const;
  void WriteText(void* output) const;

  const std::shared_ptr<MappedModel> model_;
  const PlanMode mode_;
  const uint64_t memory_bytes_;
  const std::shared_ptr<InPlaceSwitch> in_place_;
  LayerSchedule schedule_;
  bool own_wiring_ = false;  // the schedule is what the model has
  uint64_t batch_ = 1;
  uint64_t trace_bytes_ = 0;
  TextSettings text_settings_;
  std::vector<bool> marked_;  // by layer: the user withdrew his interest

  // From Prepare on.
  std::unique_ptr<Budget> process_;
  std::unique_ptr<ForwardPass> pass_;
  CacheReservation reservation_;  // of the model's cache
  std::vector<uint32_t> order_;
  uint32_t last_sink_ = 0;
  std::optional<TextContinuation> text_;
  size_t executed_ = 0;  // layers of order_
  bool began_ = false;   // the pass runs, and has executed that many
};

// Makes a limit (0: what the machine has) and the switch the defaults of the model, with the first
// mode from `mode` towards less memory that keeps within it. Error BUDGET_INFEASIBLE: none does;
// the least of them is the default then all the same.
Status OptimizeMemory(MappedModel& model, PlanMode mode, uint64_t memory_bytes,
                      std::shared_ptr<InPlaceSwitch> in_place);

}  // namespace tinyai
