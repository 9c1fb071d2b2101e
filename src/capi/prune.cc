#include <tinyai/utils/prune.h>

#include <algorithm>
#include <iterator>

#include "capi/guard.h"
#include "capi/handles.h"
#include "capi/transform.h"

namespace tinyai::capi {
namespace {

constexpr float kGlobal = -1;

Result<PruneMethod> MethodFromC(TinyAIPruneMethod method) {
  switch (method) {
    case TINYAI_PRUNE_MAGNITUDE:
      return PruneMethod::kMagnitude;
    case TINYAI_PRUNE_THRESHOLD:
      return PruneMethod::kThreshold;
    case TINYAI_PRUNE_STRUCTURED:
      return PruneMethod::kStructured;
    case TINYAI_PRUNE_RANDOM:
      return PruneMethod::kRandom;
  }
  return BadValue(fmt::format("{} is no method of pruning", static_cast<int>(method)));
}

Status CheckFraction(std::string_view name, float fraction) {
  if (fraction >= 0 && fraction <= 1) return {};
  return BadValue(fmt::format("{} is {}; it goes from 0 to 1", name, fraction));
}

Status Check(const TinyAIPruneConfig& config) {
  TRY(CheckFraction("sparsity", config.sparsity));
  for (const float& fraction : config.layerSparsity) {
    if (fraction == kGlobal) continue;
    const auto layer = std::distance(&config.layerSparsity[0], &fraction);
    TRY(CheckFraction(fmt::format("layerSparsity[{}]", layer), fraction));
  }
  if (config.blockSize >= 0) return {};
  return BadValue(fmt::format("blockSize is {}; it cannot be negative", config.blockSize));
}

LayerPruning OfLayer(const TinyAIPruneConfig& config, uint32_t layer, LayerRole role,
                     Pruning pruning) {
  const float own = layer < TINYAI_PRUNE_MAX_LAYERS ? config.layerSparsity[layer] : kGlobal;
  const bool asked = own != kGlobal;
  pruning.sparsity = asked ? own : IsPrunedUnasked(role) ? config.sparsity : 0;
  return {.pruning = pruning, .vectors = asked};
}

}  // namespace

Result<std::vector<LayerPruning>> FromC(ModelObjects& objects, const TinyAIPruneConfig& config) {
  TRY_ASSIGN(const PruneMethod method, MethodFromC(config.method));
  TRY(Check(config));
  MappedModel& mapped = objects.mapped();
  if (mapped.layer_count() == 0) {
    return Fail(ErrorCode::kUnsupported, "GRAPH_OP",
                "this file holds weights alone: it does not say what its layers are for");
  }
  const Pruning pruning = {.method = method,
                           .block = static_cast<uint64_t>(std::max(config.blockSize, 1)),
                           .seed = objects.pruning_seed()};
  std::vector<LayerPruning> layers;
  for (uint32_t i = 0; i < mapped.layer_count(); ++i) {
    layers.push_back(OfLayer(config, i, mapped.layer(i).role, pruning));
  }
  return layers;
}

}  // namespace tinyai::capi

using namespace tinyai;
using namespace tinyai::capi;

void tinyaiInitPruneConfig(TinyAIPruneConfig* config) {
  GuardStatus([&]() -> Status {
    if (config == nullptr) return NullArgument("config");
    *config = {
        .method = TINYAI_PRUNE_MAGNITUDE, .sparsity = 0.5f, .blockSize = 1, .layerSparsity = {}};
    std::ranges::fill(config->layerSparsity, kGlobal);
    return {};
  });
}

bool tinyaiPruneModel(TinyAIModel* model, const TinyAIPruneConfig* config) {
  return GuardStatus([&]() -> Status {
    if (model == nullptr) return NullArgument("model");
    if (config == nullptr) return NullArgument("config");
    ModelObjects& objects = *model->objects;
    TRY_ASSIGN(const std::vector<LayerPruning> layers, FromC(objects, *config));
    TRY(objects.mapped().Prune(layers));
    objects.RefreshDescriptors();
    return {};
  });
}

bool tinyaiSetPruningSeed(TinyAIModel* model, uint64_t seed) {
  return GuardStatus([&]() -> Status {
    if (model == nullptr) return NullArgument("model");
    model->objects->SetPruningSeed(seed);
    return {};
  });
}

size_t tinyaiCalculatePruningSavings(TinyAIModel* model) {
  return Guard<size_t>(0, [&]() -> Result<size_t> {
    if (model == nullptr) return NullArgument("model");
    return model->objects->mapped().PruningSavings();
  });
}
