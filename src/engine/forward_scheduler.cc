#include "engine/forward_scheduler.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/catch_no_memory.h"
#include "engine/this_machine.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

uint64_t SampleBytes(const Value& value) {
  uint64_t bytes = sizeof(float);
  for (const uint64_t axis : value.shape) bytes *= axis;
  return bytes;
}

uint64_t AllInputBytes(const Graph& graph) {
  uint64_t bytes = 0;
  for (const ValueId id : graph.inputs) bytes += SampleBytes(graph.value(id));
  return bytes;
}

tl::unexpected<Error> NotPrepared() {
  return Fail(ErrorCode::kSchedule, "NOT_PREPARED",
              "the schedule is not prepared, or was changed since; prepare the forward pass");
}

}  // namespace

ForwardScheduler::ForwardScheduler(std::shared_ptr<MappedModel> model, PlanMode mode,
                                   uint64_t memory_bytes)
    : model_(std::move(model)),
      // Without a limit of its own it keeps to what was found for the model.
      mode_(mode == PlanMode::kAdaptive && memory_bytes == 0 ? model_->defaults().mode : mode),
      memory_bytes_(memory_bytes == 0 ? model_->defaults().memory_bytes : memory_bytes),
      in_place_(model_->defaults().in_place),
      schedule_(model_->layer_count()),
      marked_(model_->layer_count()) {}

ForwardScheduler::~ForwardScheduler() { Unprepare(); }

void ForwardScheduler::Unprepare() {
  pass_.reset();
  process_.reset();
  reservation_ = {};
  order_.clear();
  text_.reset();
  executed_ = 0;
  began_ = false;
}

Status ForwardScheduler::Add(int32_t layer, int32_t depends_on, DependencyKind kind,
                             uint64_t output_bytes) {
  TRY(schedule_.Add(layer, depends_on, kind, output_bytes));
  own_wiring_ = false;
  Unprepare();
  return {};
}

Status ForwardScheduler::AddModel() {
  LayerSchedule schedule(model_->layer_count());
  const std::vector<std::vector<uint32_t>> wiring = OwnDependencies(graph());
  for (uint32_t i = 0; i < wiring.size(); ++i) {
    const auto layer = static_cast<int32_t>(i);
    if (wiring[i].empty()) TRY(schedule.Add(layer, -1, DependencyKind::kNone, 0));
    for (const uint32_t on : wiring[i]) {
      TRY(schedule.Add(layer, static_cast<int32_t>(on), DependencyKind::kSequential, 0));
    }
  }
  schedule_ = std::move(schedule);
  own_wiring_ = true;
  Unprepare();
  return {};
}

void ForwardScheduler::SetTrace(uint64_t bytes) {
  trace_bytes_ = bytes;
  Unprepare();
}

Status ForwardScheduler::WriteTrace(const std::string& path) {
  if (pass_ == nullptr || trace_bytes_ == 0) {
    return Fail(ErrorCode::kSchedule, "NOT_PREPARED",
                "there are no records of a pass; set the trace's size, prepare and execute one");
  }
  const Status written = pass_->WriteTrace(model_->model()->sources()[0]->path(), path);
  Unprepare();
  return written;
}

Status ForwardScheduler::SetBatch(uint64_t batch) {
  if (batch == 0 || (graph().is_text() && batch != 1)) {
    return Fail(
        ErrorCode::kUsage, "ARG_VALUE",
        fmt::format("a batch of {}: it has at least 1 sample, and of a text exactly 1", batch));
  }
  batch_ = batch;
  Unprepare();
  return {};
}

Status ForwardScheduler::SetText(const TextSettings& settings) {
  TRY(Check(settings.sampler));
  text_settings_ = settings;
  return {};
}

ForwardOptions ForwardScheduler::OptionsOf() const {
  ForwardOptions options{.mode = mode_,
                         .memory_bytes = memory_bytes_,
                         .in_place = in_place_->enabled,
                         .batch = batch_};
  if (own_wiring_) return options;
  for (const ScheduledLayer& layer : schedule_.layers()) {
    WiredLayer& wired = options.layers.emplace_back();
    wired.layer = layer.layer;
    // What is reserved for the last layer of a text model is for the text.
    wired.output_bytes = graph().is_text() ? 0 : layer.output_bytes;
    for (const LayerDependency& dependency : layer.dependencies) {
      wired.dependencies.push_back(dependency.layer);
    }
  }
  return options;
}

// Whether entry layers that the model does not have as such can be fed from the model's input.
Status ForwardScheduler::CheckInputs() const {
  if (graph().is_text() || own_wiring_) return {};
  const uint64_t input_bytes = AllInputBytes(graph());
  for (const ScheduledLayer& scheduled : schedule_.layers()) {
    if (!scheduled.dependencies.empty()) continue;
    for (const ValueId operand : graph().layers[scheduled.layer].operands) {
      if (std::ranges::find(graph().inputs, operand) != graph().inputs.end()) continue;
      const uint64_t bytes = SampleBytes(graph().value(operand));
      if (bytes <= input_bytes) continue;
      return Fail(
          ErrorCode::kSchedule, "SCHEDULE_DEPENDENCY",
          fmt::format("layer {} is an entry layer and takes {} bytes, and the model's input "
                      "has {}; name the layer that it depends on",
                      scheduled.layer, bytes, input_bytes));
    }
  }
  return {};
}

Status ForwardScheduler::Prepare() {
  Unprepare();
  Status prepared = CatchNoMemory([&] { return PlanAndOpen(); });
  if (!prepared) Unprepare();
  return prepared;
}

Status ForwardScheduler::PlanAndOpen() {
  TRY(schedule_.Check());
  TRY(CheckInputs());
  TRY_ASSIGN(MappedModel::ReservedPlan planned, model_->PlanWithinCache(OptionsOf()));
  reservation_ = std::move(planned.reservation);
  SharedBudget* const share = model_->shared_budget();
  process_ =
      std::make_unique<Budget>("scheduler", memory_bytes_ != 0 ? memory_bytes_ : Budget::kUnlimited,
                               share != nullptr ? &share->budget() : nullptr);
  TRY_ASSIGN(pass_, ForwardPass::Open(model_->forward(), std::move(planned.plan), *process_,
                                      trace_bytes_));
  order_ = pass_->order();
  FindLastSink();
  for (uint32_t layer = 0; layer < marked_.size(); ++layer) {
    if (marked_[layer] && layer != last_sink_) pass_->MarkUnneeded(layer);
  }
  return {};
}

// The last in the order whose result no other layer reads.
void ForwardScheduler::FindLastSink() {
  std::vector<bool> read(model_->layer_count());
  for (const ScheduledLayer& layer : schedule_.layers()) {
    for (const LayerDependency& dependency : layer.dependencies) read[dependency.layer] = true;
  }
  for (const uint32_t layer : order_) {
    if (!read[layer]) last_sink_ = layer;
  }
}

Result<std::optional<uint32_t>> ForwardScheduler::ExecuteNext(const void* input, void* output,
                                                              std::optional<uint32_t>& failed) {
  if (pass_ == nullptr) return NotPrepared();
  if (!graph().is_text() && executed_ == order_.size()) return std::nullopt;
  const bool at_start = graph().is_text() ? !text_ : executed_ == 0;
  if (at_start && in_place_->enabled != pass_->plan().options.in_place) TRY(Prepare());
  if (graph().is_text() && !text_) TRY(StartText(input, output));
  if (graph().is_text() && executed_ == order_.size()) {
    executed_ = 0;
    began_ = false;
  }
  if (graph().is_text() && !text_->NextTokens()) {
    executed_ = order_.size();
    return std::nullopt;
  }
  const uint32_t layer = order_[executed_];
  model_->cache().BeginUse(layer);
  const Status ran = CatchNoMemory([&] { return RunNext(input, output); });
  model_->cache().EndUse(layer);
  if (!ran) {
    failed = layer;
    began_ = false;
    return tl::unexpected<Error>(ran.error());
  }
  return layer;
}

Status ForwardScheduler::StartText(const void* input, void* output) {
  const ScheduledLayer& sink = *schedule_.Find(last_sink_);
  if (output != nullptr && sink.output_bytes == 0) {
    return Fail(ErrorCode::kUsage, "OUTPUT_SIZE",
                fmt::format("layer {} was added without a size for its output, so nothing says how "
                            "long the text may be",
                            last_sink_));
  }
  const std::string_view prompt = input != nullptr ? static_cast<const char*>(input) : "";
  const Plan& plan = pass_->plan().plan;
  TRY_ASSIGN(text_, TextContinuation::Start(*model_->model(), prompt, text_settings_,
                                            sink.output_bytes, plan.context, plan.chunk));
  WriteText(output);
  return {};
}

Status ForwardScheduler::RunNext(const void* input, void* output) {
  TRY(CatchUp(input));
  const uint32_t layer = order_[executed_];
  TRY(RunOne(layer, input));
  const bool complete = executed_ + 1 == order_.size();
  if (graph().is_text() && complete) {
    TRY(FinishToken());
    WriteText(output);
  } else if (!graph().is_text() && layer == last_sink_) {
    if (output != nullptr) WriteOutput(output);
    if (marked_[layer]) pass_->MarkUnneeded(layer);
  }
  ++executed_;  // last: what fails before has not happened
  if (complete) in_place_->count += pass_->plan().in_place_count();
  return {};
}

// On copies: choosing a token may change the logits, and a failure is tried again.
Status ForwardScheduler::FinishToken() {
  const std::span<const float> logits = pass_->Logits();
  std::vector<float> copy(logits.begin(), logits.end());
  TextContinuation next = *text_;
  TRY(next.Finish(*model_->model(), copy));
  text_ = std::move(next);
  return {};
}

// Begins the pass, and after a failure runs again what had been executed.
Status ForwardScheduler::CatchUp(const void* input) {
  if (began_) return {};
  if (graph().is_text()) {
    if (pass_->failed()) TRY(RestoreContext());
    TRY(pass_->Begin(*text_->NextTokens(), text_->position()));
  } else {
    TRY(pass_->Begin(batch_));
  }
  began_ = true;
  for (size_t i = 0; i < executed_; ++i) TRY(RunOne(order_[i], input));
  return {};
}

// The keys and values of the text so far went with what failed: they are computed again.
Status ForwardScheduler::RestoreContext() {
  const std::span<const TokenId> tokens = text_->done();
  const uint64_t chunk = pass_->plan().plan.chunk;
  for (uint64_t at = 0; at < tokens.size(); at += chunk) {
    TRY(pass_->Begin(tokens.subspan(at, std::min(chunk, tokens.size() - at)), at));
    for (const uint32_t layer : order_) TRY(RunOne(layer, nullptr));
  }
  return {};
}

Status ForwardScheduler::RunOne(uint32_t layer, const void* input) {
  TRY_ASSIGN(const std::vector<const float*> inputs, InputsOf(layer, input));
  const SimdScope scope(model_->SimdLevelFor(layer));
  TRY(pass_->RunNext(inputs));
  return {};
}

Result<std::vector<const float*>> ForwardScheduler::InputsOf(uint32_t layer,
                                                             const void* input) const {
  std::vector<const float*> pointers;
  if (graph().is_text() || input == nullptr) return pointers;
  if (!own_wiring_ && !schedule_.Find(layer)->dependencies.empty()) return pointers;
  if (reinterpret_cast<uintptr_t>(input) % alignof(float) != 0) {
    return Fail(ErrorCode::kUsage, "ARG_VALUE", "the input's address is no multiple of 4");
  }
  const auto* bytes = static_cast<const std::byte*>(input);
  if (own_wiring_) {
    for (const ValueId id : graph().inputs) {
      pointers.push_back(reinterpret_cast<const float*>(bytes));
      bytes += SampleBytes(graph().value(id)) * batch_;
    }
    return pointers;
  }
  for (const ValueId operand : graph().layers[layer].operands) {
    uint64_t offset = 0;
    if (std::ranges::find(graph().inputs, operand) != graph().inputs.end()) {
      for (const ValueId before : graph().inputs) {
        if (before == operand) break;
        offset += SampleBytes(graph().value(before)) * batch_;
      }
    }
    pointers.push_back(reinterpret_cast<const float*>(bytes + offset));
  }
  return pointers;
}

void ForwardScheduler::WriteOutput(void* output) const {
  const std::optional<LayerOutput> held = pass_->Output(last_sink_);
  if (!held) return;
  uint64_t bytes = sizeof(float);
  for (const uint64_t axis : held->shape) bytes *= axis;
  auto* to = static_cast<std::byte*>(output);
  for (uint64_t i = 0; i < held->samples; ++i, to += bytes) {
    std::memcpy(to, held->data + i * held->stride, bytes);
  }
}

void ForwardScheduler::WriteText(void* output) const {
  if (output == nullptr) return;
  const std::string& text = text_->text();
  std::memcpy(output, text.c_str(), text.size() + 1);
}

Result<uint64_t> ForwardScheduler::InputBytes() const {
  if (pass_ == nullptr) return NotPrepared();
  return graph().is_text() ? 0 : AllInputBytes(graph()) * batch_;
}

Result<uint64_t> ForwardScheduler::OutputBytes() const {
  if (pass_ == nullptr) return NotPrepared();
  if (graph().is_text()) return schedule_.Find(last_sink_)->output_bytes;
  return SampleBytes(graph().value(graph().layers[last_sink_].output)) * batch_;
}

uint64_t ForwardScheduler::ReservedBytes(const ScheduledLayer& layer) const {
  if (graph().is_text()) return layer.output_bytes;
  const uint64_t sample = SampleBytes(graph().value(graph().layers[layer.layer].output));
  return std::max(layer.output_bytes, sample) * batch_;
}

void ForwardScheduler::Reset() {
  text_.reset();
  executed_ = 0;
  began_ = false;
  if (pass_ != nullptr) pass_->Reset();
}

Result<uint64_t> ForwardScheduler::LargestBatch(uint64_t bytes_per_sample, uint64_t most) const {
  return tinyai::LargestBatch(model_->forward(), model_->WithinShare(OptionsOf(), process_.get()),
                              ThisMachine(), bytes_per_sample, most);
}

void ForwardScheduler::MarkUnneeded(uint32_t layer) {
  if (schedule_.Find(layer) == nullptr) return;
  marked_[layer] = true;
  // What the last sink makes is written to the caller first.
  const bool awaited = layer == last_sink_ && !is_executed(layer);
  if (pass_ != nullptr && !awaited) pass_->MarkUnneeded(layer);
}

bool ForwardScheduler::is_executed(uint32_t layer) const {
  const auto end = order_.begin() + static_cast<ptrdiff_t>(executed_);
  return std::find(order_.begin(), end, layer) != end;
}

bool ForwardScheduler::is_needed(uint32_t layer) const {
  return pass_ != nullptr ? pass_->is_needed(layer) : !marked_[layer];
}

std::optional<LayerOutput> ForwardScheduler::Output(uint32_t layer) const {
  if (pass_ == nullptr || !began_) return std::nullopt;
  return pass_->Output(layer);
}

uint64_t ForwardScheduler::memory_bytes() const {
  return pass_ == nullptr ? 0 : pass_->memory_bytes();
}

uint64_t ForwardScheduler::peak_bytes() const { return pass_ == nullptr ? 0 : pass_->peak_bytes(); }

PlanMode ForwardScheduler::mode() const { return pass_ == nullptr ? mode_ : pass_->plan().mode; }

Status OptimizeMemory(MappedModel& model, PlanMode mode, uint64_t memory_bytes,
                      std::shared_ptr<InPlaceSwitch> in_place) {
  std::vector<PlanMode> modes = {mode};
  if (mode != PlanMode::kStreaming) modes.push_back(PlanMode::kStreaming);
  std::optional<Error> failed;
  for (const PlanMode tried : modes) {
    model.SetDefaults({.memory_bytes = memory_bytes, .mode = tried, .in_place = in_place});
    const Result<MappedModel::ReservedPlan> planned = model.PlanWithinCache(
        {.mode = tried, .memory_bytes = memory_bytes, .in_place = in_place->enabled});
    if (planned) return {};
    failed = planned.error();
  }
  return tl::unexpected<Error>(*std::move(failed));
}

}  // namespace tinyai
