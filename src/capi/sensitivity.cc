#include <tinyai/sensitivity.h>

#include <algorithm>

#include "capi/guard.h"
#include "capi/handles.h"
#include "capi/transform.h"
#include "engine/layer_errors.h"

namespace tinyai::capi {
namespace {

Status CheckOut(const TinyAIModel* model, const TinyAILayerError* out, int capacity) {
  if (model == nullptr) return NullArgument("model");
  if (out == nullptr && capacity > 0) return NullArgument("out");
  return {};
}

Result<int> Measure(const MappedModel& mapped, std::span<const LayerForm> forms, const void* input,
                    TinyAILayerError* out, int capacity) {
  TRY_ASSIGN(const std::vector<LayerError> errors, MeasureLayerErrors(mapped, forms, input));
  const size_t room = static_cast<size_t>(std::max(capacity, 0));
  for (size_t i = 0; i < std::min(room, errors.size()); ++i) {
    const LayerError& error = errors[i];
    out[i] = {static_cast<int>(error.layer), error.bytes, error.of_layer, error.of_model};
  }
  return static_cast<int>(errors.size());
}

}  // namespace
}  // namespace tinyai::capi

using namespace tinyai;
using namespace tinyai::capi;

int tinyaiMeasureLayerErrors(const TinyAIModel* model, const void* input, TinyAILayerError* out,
                             int capacity) {
  return Guard<int>(-1, [&]() -> Result<int> {
    TRY(CheckOut(model, out, capacity));
    const MappedModel& mapped = model->objects->mapped();
    return Measure(mapped, mapped.forms(), input, out, capacity);
  });
}

int tinyaiMeasurePrecisionErrors(const TinyAIModel* model, TinyAIPrecision precision,
                                 const void* input, TinyAILayerError* out, int capacity) {
  return Guard<int>(-1, [&]() -> Result<int> {
    TRY(CheckOut(model, out, capacity));
    TRY_ASSIGN(const std::optional<DType> type, FromC(precision));
    const MappedModel& mapped = model->objects->mapped();
    const std::vector<LayerForm> forms(mapped.layer_count(), LayerForm{.type = type});
    return Measure(mapped, forms, input, out, capacity);
  });
}

int tinyaiMeasurePruningErrors(const TinyAIModel* model, const TinyAIPruneConfig* config,
                               const void* input, TinyAILayerError* out, int capacity) {
  return Guard<int>(-1, [&]() -> Result<int> {
    TRY(CheckOut(model, out, capacity));
    if (config == nullptr) return NullArgument("config");
    TRY_ASSIGN(const std::vector<LayerPruning> pruning, FromC(*model->objects, *config));
    std::vector<LayerForm> forms;
    for (const LayerPruning& layer : pruning) {
      forms.push_back({.pruning = layer.pruning, .prune_vectors = layer.vectors});
    }
    return Measure(model->objects->mapped(), forms, input, out, capacity);
  });
}
