#include "engine/forward_pass.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "engine/measured_trace.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr uint32_t kNotScheduled = ~uint32_t{0};

tl::unexpected<Error> Misused(std::string message) {
  return Fail(ErrorCode::kUsage, "FORWARD_STATE", std::move(message));
}

}  // namespace

ForwardPass::ForwardPass(ForwardModel model, ForwardPlan plan, Budget& process)
    : model_(std::move(model)),
      plan_(std::move(plan)),
      lifetimes_(*plan_.graph, plan_.plan),
      budget_("forward pass",
              plan_.options.memory_bytes != 0 ? plan_.options.memory_bytes : Budget::kUnlimited,
              &process),
      place_of_(model_.graph->layers.size(), kNotScheduled),
      unneeded_(plan_.graph->values.size()),
      held_(plan_.graph->values.size()) {
  for (const uint32_t group : lifetimes_.order()) {
    const auto& members = plan_.groups[group].members;
    for (uint32_t member = 0; member < members.size(); ++member) {
      place_of_[members[member].layer] = static_cast<uint32_t>(sequence_.size());
      sequence_.push_back({group, member});
    }
  }
  for (const PlanBuffer& buffer : plan_.plan.buffers) {
    if (buffer.kind == BufferKind::kActivation) continue;
    lasting_bytes_ += buffer.bytes;
    if (buffer.bytes != 0) lasting_end_ = std::max(lasting_end_, buffer.offset + buffer.bytes);
  }
  for (const uint32_t layer : plan_.options.not_kept) MarkUnneeded(layer);
}

Result<std::unique_ptr<ForwardPass>> ForwardPass::Open(ForwardModel model, ForwardPlan plan,
                                                       Budget& process, uint64_t trace_bytes) {
  std::unique_ptr<ForwardPass> pass(new ForwardPass(std::move(model), std::move(plan), process));
  if (trace_bytes != 0) {
    pass->recorder_ = std::make_unique<Recorder>(pass->plan_.plan, trace_bytes);
  }
  TRY(pass->Start());
  pass->Restart(0);
  return pass;
}

Status ForwardPass::Start() {
  executor_.reset();
  TRY_ASSIGN(std::unique_ptr<ReadQueue> disk, model_.open_queue(plan_.plan.io_depth));
  TRY_ASSIGN(std::unique_ptr<ReadQueue> rows, model_.open_queue(2));
  TRY_ASSIGN(executor_,
             Executor::Create(*plan_.graph, plan_.plan, *model_.rope, budget_, std::move(disk),
                              std::move(rows),
                              {.tiling = plan_.options.tiling, .recorder = recorder_.get()}));
  return {};
}

std::vector<uint32_t> ForwardPass::order() const {
  std::vector<uint32_t> out;
  for (const Place& place : sequence_) {
    out.push_back(plan_.groups[place.group].members[place.member].layer);
  }
  return out;
}

void ForwardPass::Restart(uint64_t samples) {
  done_ = 0;
  samples_ = samples;
  held_bytes_ = 0;
  std::fill(held_.begin(), held_.end(), false);
  peak_bytes_ = lasting_end_;
}

// Ends a pass under way; what failed starts anew.
Status ForwardPass::GiveUp() {
  const bool under_way = std::exchange(began_, false) && !is_complete();
  if (failed()) return Start();
  return under_way ? executor_->GiveUpPass() : Status();
}

Status ForwardPass::Begin(uint64_t samples) {
  if (plan_.graph->is_text() || samples == 0 || samples > plan_.plan.chunk) {
    return Misused(
        fmt::format("a pass of this plan has 1 to {} samples, not {}", plan_.plan.chunk, samples));
  }
  TRY(GiveUp());
  Restart(samples);
  began_ = true;
  return executor_->Begin({.tokens = {}, .samples = samples});
}

Status ForwardPass::Begin(std::span<const int32_t> tokens, uint64_t position) {
  const uint64_t context = plan_.plan.context;
  if (!plan_.graph->is_text() || tokens.empty() || tokens.size() > plan_.plan.chunk ||
      position > context || tokens.size() > context - position) {
    return Misused(fmt::format("a pass of this plan has 1 to {} tokens of a context of {}",
                               plan_.plan.chunk, context));
  }
  for (const int32_t token : tokens) {
    if (token < 0 || static_cast<uint64_t>(token) >= plan_.graph->vocabulary) {
      return Misused(fmt::format("there is no token {}", token));
    }
  }
  TRY(GiveUp());
  Restart(tokens.size());
  began_ = true;
  return executor_->Begin({.tokens = tokens, .position = position});
}

void ForwardPass::Reset() {
  // An error of it is told by the next pass, which begins by starting anew.
  (void)GiveUp();
  Restart(0);
}

Result<uint32_t> ForwardPass::RunNext(std::span<const float* const> inputs) {
  if (!began_) return Misused("no pass has begun");
  if (is_complete()) return Misused("the pass is complete");
  const Place place = sequence_[done_];
  const uint32_t reported = plan_.groups[place.group].members[place.member].layer;
  if (place.member != 0) return ++done_, reported;
  const uint32_t layer = place.group;
  if (Status ran = executor_->RunTo(lifetimes_.end_step(layer), inputs); !ran) {
    began_ = false;
    return tl::unexpected<Error>(std::move(ran).error());
  }
  ++done_;
  Hold(layer);
  return reported;
}

Status ForwardPass::RunThrough(uint32_t layer, std::span<const float* const> inputs) {
  if (!is_scheduled(layer)) return Misused(fmt::format("layer {} is not scheduled", layer));
  while (!is_executed(layer)) TRY(RunNext(inputs));
  return {};
}

Status ForwardPass::RunAll(std::span<const float* const> inputs) {
  while (!is_complete()) TRY(RunNext(inputs));
  return {};
}

const LayerGroup::Member* ForwardPass::Find(uint32_t layer) const {
  if (layer >= place_of_.size() || place_of_[layer] == kNotScheduled) return nullptr;
  const Place& place = sequence_[place_of_[layer]];
  return &plan_.groups[place.group].members[place.member];
}

std::optional<ValueId> ForwardPass::OutputOf(uint32_t layer) const {
  const LayerGroup::Member* const member = Find(layer);
  return member == nullptr ? std::nullopt : member->output;
}

bool ForwardPass::is_scheduled(uint32_t layer) const { return Find(layer) != nullptr; }

bool ForwardPass::is_executed(uint32_t layer) const {
  return is_scheduled(layer) && began_ && place_of_[layer] < done_;
}

uint64_t ForwardPass::BytesOf(ValueId value) const {
  return plan_.plan.buffer(plan_.plan.value_buffers[Index(value)]).bytes;
}

// What came and went while the layer ran.
void ForwardPass::Hold(uint32_t layer) {
  peak_bytes_ = std::max(peak_bytes_, lifetimes_.end_offset(layer));
  for (const ValueId value : lifetimes_.goes_in(layer)) {
    if (held_[Index(value)]) LetGo(value);
  }
  for (const ValueId value : lifetimes_.stays_after(layer)) {
    if (unneeded_[Index(value)] && lifetimes_.last_step(value) == ForwardLifetimes::kForever &&
        !lifetimes_.is_read_after(value, layer)) {
      continue;
    }
    held_[Index(value)] = true;
    held_bytes_ += BytesOf(value);
  }
  for (const ValueId value : lifetimes_.last_read_in(layer)) {
    if (!held_[Index(value)] || !unneeded_[Index(value)]) continue;
    LetGo(value);
    executor_->Discard(value);
  }
}

void ForwardPass::LetGo(ValueId value) {
  held_[Index(value)] = false;
  held_bytes_ -= BytesOf(value);
}

std::optional<LayerOutput> ForwardPass::Output(uint32_t layer) const {
  const std::optional<ValueId> output = OutputOf(layer);
  if (!output || !is_executed(layer)) return std::nullopt;
  const ValueId id = *output;
  if (!held_[Index(id)] || unneeded_[Index(id)]) return std::nullopt;
  const Value& value = plan_.graph->value(id);
  const uint64_t samples = value.rows == Rows::kTokens ? samples_ : 1;
  return LayerOutput{executor_->Row(id, 0).data(), value.shape, samples,
                     value.row_bytes / sizeof(float)};
}

void ForwardPass::MarkUnneeded(uint32_t layer) {
  const std::optional<ValueId> output = OutputOf(layer);
  if (!output) return;
  const ValueId id = *output;
  const bool known = unneeded_[Index(id)];
  unneeded_[Index(id)] = true;
  if (known || !held_[Index(id)]) return;
  const bool wanted = done_ != 0 && lifetimes_.is_read_after(id, sequence_[done_ - 1].group);
  if (wanted) return;
  LetGo(id);
  executor_->Discard(id);
}

bool ForwardPass::is_needed(uint32_t layer) const {
  const std::optional<ValueId> output = OutputOf(layer);
  return output && !unneeded_[Index(*output)];
}

std::span<const float> ForwardPass::Logits() const {
  if (!plan_.graph->is_text() || !began_ || !is_complete()) return {};
  return executor_->Row(plan_.graph->logits(), 0);
}

ForwardPass::Peak ForwardPass::FindPeak() const {
  const uint32_t largest = lifetimes_.largest_layer();
  Peak peak{.layer = plan_.groups[largest].members[0].layer,
            .activation_bytes = lifetimes_.layer_bytes(largest),
            .outputs = {}};
  for (uint32_t group = 0; group < plan_.groups.size(); ++group) {
    for (const LayerGroup::Member& member : plan_.groups[group].members) {
      if (!member.output || !lifetimes_.is_live_in(*member.output, largest)) continue;
      peak.outputs.push_back({member.layer, BytesOf(*member.output)});
    }
  }
  std::ranges::stable_sort(peak.outputs, std::greater<>(), &Peak::Held::bytes);
  return peak;
}

std::vector<Component> ForwardPass::Breakdown() const {
  std::vector<Component> out;
  for (const BufferKind kind : {BufferKind::kResident, BufferKind::kRing, BufferKind::kStaging,
                                BufferKind::kCache, BufferKind::kWorkspace}) {
    uint64_t bytes = 0;
    for (const PlanBuffer& buffer : plan_.plan.buffers) {
      if (buffer.kind == kind) bytes += buffer.bytes;
    }
    if (bytes != 0) out.push_back({std::string(Name(kind)), bytes, true});
  }
  out.push_back({std::string(Name(BufferKind::kActivation)), held_bytes_, true});
  return out;
}

Status ForwardPass::WriteTrace(const std::string& title, const std::string& path) {
  executor_.reset();
  began_ = false;
  if (recorder_ == nullptr) return {};
  return WriteMeasuredTrace(*plan_.graph, plan_.plan, *recorder_, title, path);
}

}  // namespace tinyai
