#include "graph/rope_settings.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/escape.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

Status ReadScaling(const Hparams& hparams, uint64_t context, RopeSettings& rope) {
  // Older files say only rope.scale_linear.
  TRY_ASSIGN(const double linear, hparams.OptionalFloat("rope.scale_linear", 0, false, 1));
  TRY_ASSIGN(const auto kind, hparams.metadata().OptionalString(hparams.Key("rope.scaling.type")));
  if (kind && *kind == "none") return {};
  TRY_ASSIGN(rope.factor, hparams.OptionalFloat("rope.scaling.factor", 0, false, linear));
  if (!kind || *kind == "linear") {
    rope.scaling = RopeSettings::Scaling::kLinear;
    return {};
  }
  if (*kind != "yarn") {
    return Fail(ErrorCode::kUnsupported, "MODEL_ROPE",
                fmt::format("{} '{}' is not supported; supported are none, linear, yarn",
                            hparams.Key("rope.scaling.type"), EscapeControl(kind->substr(0, 64))));
  }
  rope.scaling = RopeSettings::Scaling::kYarn;
  TRY_ASSIGN(rope.original_context,
             hparams.Optional("rope.scaling.original_context_length", 1, ~uint32_t{0}, context));
  TRY_ASSIGN(rope.extrapolation, hparams.OptionalFloat("rope.scaling.yarn_ext_factor", 0, true, 1));
  TRY_ASSIGN(double attention, hparams.OptionalFloat("rope.scaling.attn_factor", 0, false, 1));
  TRY_ASSIGN(attention,
             hparams.OptionalFloat("rope.scaling.yarn_attn_factor", 0, false, attention));
  rope.attention_factor = attention;
  TRY_ASSIGN(rope.beta_fast,
             hparams.OptionalFloat("rope.scaling.yarn_beta_fast", 0, false, rope.beta_fast));
  TRY_ASSIGN(rope.beta_slow,
             hparams.OptionalFloat("rope.scaling.yarn_beta_slow", 0, false, rope.beta_slow));
  return {};
}

// YaRN: the pair whose wavelength makes `rotations` turns within the original context.
double PairWithRotations(const RopeSettings& rope, double rotations) {
  const double context = static_cast<double>(rope.original_context);
  return static_cast<double>(rope.dims) * std::log(context / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(rope.base));
}

}  // namespace

Result<RopeSettings> ReadRopeSettings(const Hparams& hparams, uint64_t head_dim, uint64_t context) {
  RopeSettings rope;
  TRY_ASSIGN(rope.dims, hparams.Optional("rope.dimension_count", 1, head_dim, head_dim));
  if (rope.dims % 2 != 0) {
    return hparams.Bad("rope.dimension_count", fmt::to_string(rope.dims), "an even number");
  }
  TRY_ASSIGN(rope.base, hparams.OptionalFloat("rope.freq_base", 0, false, rope.base));
  TRY(ReadScaling(hparams, context, rope));
  return rope;
}

RopeFrequencies ComputeRopeFrequencies(const RopeSettings& rope, std::span<const float> divisors) {
  RopeFrequencies out;
  const size_t pairs = rope.dims / 2;
  out.per_position.resize(pairs);
  const bool yarn = rope.scaling == RopeSettings::Scaling::kYarn && rope.extrapolation != 0;
  double low = 0, high = 0;
  if (yarn) {
    low = std::max(0.0, std::floor(PairWithRotations(rope, rope.beta_fast)));
    high = std::min(static_cast<double>(rope.dims) - 1,
                    std::ceil(PairWithRotations(rope, rope.beta_slow)));
    out.magnitude = rope.attention_factor * (1 + 0.1 * std::log(std::max(1.0, rope.factor)));
  } else if (rope.scaling == RopeSettings::Scaling::kYarn) {
    out.magnitude = rope.attention_factor;
  }
  for (size_t i = 0; i < pairs; ++i) {
    const double exponent = 2 * static_cast<double>(i) / static_cast<double>(rope.dims);
    double own = std::pow(rope.base, -exponent);
    if (!divisors.empty()) own /= static_cast<double>(divisors[i]);
    double angle = own / rope.factor;
    if (yarn) {  // fast pairs keep their angle, slow ones are interpolated, a ramp lies between
      const double ramp = (static_cast<double>(i) - low) / std::max(0.001, high - low);
      const double keep = (1 - std::clamp(ramp, 0.0, 1.0)) * rope.extrapolation;
      angle = angle * (1 - keep) + own * keep;
    }
    out.per_position[i] = angle;
  }
  return out;
}

}  // namespace tinyai
