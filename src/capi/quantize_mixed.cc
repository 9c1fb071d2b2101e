#include <tinyai/utils/quantize_mixed.h>

#include <optional>

#include "capi/guard.h"
#include "capi/handles.h"
#include "capi/transform.h"

namespace tinyai::capi {

Result<std::optional<DType>> FromC(TinyAIPrecision precision) {
  switch (precision) {
    case TINYAI_PREC_KEEP:
      return std::nullopt;
    case TINYAI_PREC_FP32:
      return DType::kF32;
    case TINYAI_PREC_FP16:
      return DType::kF16;
    case TINYAI_PREC_BF16:
      return DType::kBF16;
    case TINYAI_PREC_INT8:
      return DType::kQ8_0;
    case TINYAI_PREC_INT4:
      return DType::kQ4_0;
    case TINYAI_PREC_INT2:
      return DType::kInt2;
  }
  return BadValue(fmt::format("{} is no precision", static_cast<int>(precision)));
}

namespace {

TinyAIPrecision OfRole(const TinyAIMixedPrecisionConfig& config, LayerRole role) {
  switch (role) {
    case LayerRole::kEmbedding:
      return config.embeddingPrecision;
    case LayerRole::kAttention:
      return config.attentionPrecision;
    case LayerRole::kFeedForward:
      return config.ffnPrecision;
    case LayerRole::kOutput:
      return config.outputPrecision;
    case LayerRole::kNorm:
      return config.normPrecision;
    case LayerRole::kConv:
      return config.convPrecision;
    case LayerRole::kOther:
      break;
  }
  return config.otherPrecision;
}

Status Apply(ModelObjects& objects, const TinyAIMixedPrecisionConfig& config) {
  // Also roles that no layer has must make sense.
  for (const LayerRole role :
       {LayerRole::kOther, LayerRole::kEmbedding, LayerRole::kAttention, LayerRole::kFeedForward,
        LayerRole::kOutput, LayerRole::kNorm, LayerRole::kConv}) {
    TRY(FromC(OfRole(config, role)));
  }
  MappedModel& mapped = objects.mapped();
  if (mapped.layer_count() == 0) {
    return Fail(ErrorCode::kUnsupported, "GRAPH_OP",
                "this file holds weights alone: it does not say what its layers are for");
  }
  std::vector<std::optional<DType>> types(mapped.layer_count());
  for (uint32_t i = 0; i < types.size(); ++i) {
    TRY_ASSIGN(types[i], FromC(OfRole(config, mapped.layer(i).role)));
  }
  TRY(mapped.SetTypes(types));
  objects.RefreshDescriptors();
  return {};
}

}  // namespace
}  // namespace tinyai::capi

using namespace tinyai;
using namespace tinyai::capi;

void tinyaiInitMixedPrecisionConfig(TinyAIMixedPrecisionConfig* config) {
  GuardStatus([&]() -> Status {
    if (config == nullptr) return NullArgument("config");
    *config = {};
    return {};
  });
}

bool tinyaiApplyMixedPrecision(TinyAIModel* model, const TinyAIMixedPrecisionConfig* config) {
  return GuardStatus([&]() -> Status {
    if (model == nullptr) return NullArgument("model");
    if (config == nullptr) return NullArgument("config");
    return Apply(*model->objects, *config);
  });
}
