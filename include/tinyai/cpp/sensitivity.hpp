#pragma once

#include <tinyai/sensitivity.h>
#include <tinyai/cpp/model.hpp>

#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tinyai {
inline namespace v0 {

// What a layer's weights alone in another form do; the fields are explained in
// <tinyai/sensitivity.h>.
using LayerError = TinyAILayerError;

// What errors are measured on.
class Sample {
 public:
  Sample() = default;                                                 // the empty text, or zeros
  Sample(std::string text) : value_(std::move(text)) {}               // of a text model
  Sample(std::vector<float> numbers) : value_(std::move(numbers)) {}  // of all inputs

  // For the C API; belongs to this object.
  const void* data() const {
    if (const auto* const text = std::get_if<std::string>(&value_)) return text->c_str();
    const auto& numbers = std::get<std::vector<float>>(value_);
    return numbers.empty() ? nullptr : numbers.data();
  }

 private:
  std::variant<std::vector<float>, std::string> value_;
};

namespace detail {

template <typename Measure>
Result<std::vector<LayerError>> MeasureErrors(const Model& model, const Measure& measure) {
  std::vector<LayerError> out(static_cast<std::size_t>(model.layer_count()));
  const int count = measure(out.data(), static_cast<int>(out.size()));
  if (count < 0) return LastError();
  out.resize(static_cast<std::size_t>(count));
  return out;
}

}  // namespace detail

// By layer, those that the form changes: of what is in force, of one precision everywhere, of a
// pruning of the file's own weights. What is in force stays. Errors NO_PROMPT, CONTEXT_FULL,
// ARG_VALUE, PRECISION_UNSUPPORTED, GRAPH_OP, BUDGET_INFEASIBLE, those of reading and writing.
inline Result<std::vector<LayerError>> MeasureErrors(const Model& model,
                                                     const Sample& sample = {}) {
  return detail::MeasureErrors(model, [&](LayerError* out, int capacity) {
    return tinyaiMeasureLayerErrors(model.handle(), sample.data(), out, capacity);
  });
}
inline Result<std::vector<LayerError>> MeasureErrors(const Model& model, TinyAIPrecision precision,
                                                     const Sample& sample = {}) {
  return detail::MeasureErrors(model, [&](LayerError* out, int capacity) {
    return tinyaiMeasurePrecisionErrors(model.handle(), precision, sample.data(), out, capacity);
  });
}
inline Result<std::vector<LayerError>> MeasureErrors(const Model& model, const Pruning& pruning,
                                                     const Sample& sample = {}) {
  const TinyAIPruneConfig config = pruning.config();
  return detail::MeasureErrors(model, [&](LayerError* out, int capacity) {
    return tinyaiMeasurePruningErrors(model.handle(), &config, sample.data(), out, capacity);
  });
}

}  // namespace v0
}  // namespace tinyai
