#include "engine/layer_errors.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "engine/encode_prompt.h"
#include "engine/forward_pass.h"
#include "engine/this_machine.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostContext = 4096;

// The change of numbers, relative to what they were.
class Change {
 public:
  void Add(const LayerOutput& was, const LayerOutput& is) {
    uint64_t size = 1;
    for (const uint64_t axis : was.shape) size *= axis;
    for (uint64_t sample = 0; sample < was.samples; ++sample) {
      for (uint64_t i = 0; i < size; ++i) {
        const double before = was.data[sample * was.stride + i];
        const double change = is.data[sample * is.stride + i] - before;
        squares_ += before * before;
        changes_ += change * change;
      }
    }
  }
  double value() const { return changes_ == 0 ? 0 : std::sqrt(changes_ / squares_); }

 private:
  double squares_ = 0, changes_ = 0;
};

// A pass of some model over the input, whose result of one layer stays.
class Run {
 public:
  static Result<std::unique_ptr<Run>> Open(const MappedModel& mapped, ForwardModel model,
                                           uint32_t kept, uint64_t context) {
    SharedBudget* const share = mapped.shared_budget();
    std::unique_ptr<Run> run(new Run(share != nullptr ? &share->budget() : nullptr));
    const ForwardOptions options = mapped.WithinShare(
        {.mode = PlanMode::kMemoryOptimised, .kept = {kept}, .context = context}, nullptr);
    TRY_ASSIGN(ForwardPlan plan, PlanForward(model, options, ThisMachine(options.threads)));
    if (share != nullptr) share->MakeRoom(plan.peak_bytes());
    TRY_ASSIGN(run->pass_, ForwardPass::Open(std::move(model), std::move(plan), run->process_));
    return run;
  }
  ForwardPass& pass() { return *pass_; }

 private:
  explicit Run(Budget* shared) : process_("layer errors", Budget::kUnlimited, shared) {}
  Budget process_;
  std::unique_ptr<ForwardPass> pass_;
};

class Measurer {
 public:
  Measurer(const MappedModel& model, std::shared_ptr<const Overlay> overlay)
      : mapped_(model),
        base_(ForwardModel::Of(model.model())),
        overlay_(std::move(overlay)),
        other_(Overlay::Of(overlay_)),
        weights_(model.own_weights()) {}

  Status Take(const MappedModel& model, const void* input) {
    const Graph& graph = *base_.graph;
    if (graph.is_text()) {
      context_ = std::min(graph.context, kMostContext);
      const auto* const text = static_cast<const char*>(input);
      TRY_ASSIGN(tokens_, EncodePrompt(*model.model(), text != nullptr ? text : "", context_));
      if (!tokens_.empty()) return {};
      return Fail(ErrorCode::kUsage, "NO_PROMPT",
                  "the text is empty, and the model has no token that begins a text");
    }
    const auto* numbers = static_cast<const float*>(input);
    for (const ValueId id : graph.inputs) {
      inputs_.push_back(numbers);
      uint64_t size = 1;
      for (const uint64_t axis : graph.value(id).shape) size *= axis;
      if (numbers != nullptr) numbers += size;
    }
    return {};
  }

  Result<LayerError> Measure(uint32_t layer) {
    TRY_ASSIGN(const auto was, Run::Open(mapped_, base_, layer, context_));
    TRY_ASSIGN(const auto is, Run::Open(mapped_, WithLayer(layer), layer, context_));
    Change of_layer, of_model;
    for (size_t done = 0; done == 0 || done < tokens_.size();) {
      const size_t count = std::min<size_t>(tokens_.size() - done, was->pass().plan().plan.chunk);
      for (ForwardPass* const pass : {&was->pass(), &is->pass()}) {
        TRY(Begin(*pass, std::span(tokens_).subspan(done, count), done));
        TRY(pass->RunThrough(layer, inputs_));
      }
      of_layer.Add(*was->pass().Output(layer), *is->pass().Output(layer));
      for (ForwardPass* const pass : {&was->pass(), &is->pass()}) TRY(pass->RunAll(inputs_));
      done += std::max<size_t>(count, 1);
    }
    CompareResults(was->pass(), is->pass(), of_model);
    return LayerError{layer, overlay_->layers[layer].bytes, of_layer.value(), of_model.value()};
  }

 private:
  static Status Begin(ForwardPass& pass, std::span<const TokenId> tokens, uint64_t position) {
    return tokens.empty() ? pass.Begin(1) : pass.Begin(tokens, position);
  }

  // The model with one layer in its other form.
  ForwardModel WithLayer(uint32_t layer) const {
    auto graph = std::make_shared<Graph>(*base_.graph);
    for (const WeightId id : weights_[layer]) {
      graph->weights[Index(id)] = overlay_->graph.weights[Index(id)];
    }
    ForwardModel model = other_;
    model.graph = graph.get();
    model.owner = std::make_shared<std::pair<std::shared_ptr<Graph>, std::shared_ptr<const void>>>(
        graph, other_.owner);
    return model;
  }

  void CompareResults(const ForwardPass& was, const ForwardPass& is, Change& change) const {
    const Graph& graph = *base_.graph;
    for (uint32_t layer = 0; layer < graph.layers.size(); ++layer) {
      if (std::ranges::find(graph.outputs, graph.layers[layer].output) == graph.outputs.end()) {
        continue;
      }
      const std::optional<LayerOutput> before = was.Output(layer), after = is.Output(layer);
      if (before && after) change.Add(*before, *after);
    }
  }

  const MappedModel& mapped_;
  const ForwardModel base_;
  const std::shared_ptr<const Overlay> overlay_;
  const ForwardModel other_;
  const std::vector<std::vector<WeightId>> weights_;
  uint64_t context_ = 0;
  std::vector<TokenId> tokens_;
  std::vector<const float*> inputs_;
};

}  // namespace

Result<std::vector<LayerError>> MeasureLayerErrors(const MappedModel& model,
                                                   std::span<const LayerForm> forms,
                                                   const void* input) {
  TRY_ASSIGN(std::shared_ptr<const Overlay> overlay,
             MakeOverlay(model.model(), model.own_weights(), forms));
  const std::vector<OverlaidLayer> changed = overlay->layers;
  Measurer measurer(model, std::move(overlay));
  TRY(measurer.Take(model, input));
  std::vector<LayerError> out;
  for (uint32_t layer = 0; layer < changed.size(); ++layer) {
    if (changed[layer].bytes == 0) continue;
    TRY_ASSIGN(out.emplace_back(), measurer.Measure(layer));
  }
  return out;
}

}  // namespace tinyai
