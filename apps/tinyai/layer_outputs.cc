#include "layer_outputs.h"

#include <algorithm>
#include <cmath>

#include "base/escape.h"
#include "fmt/format.h"
#include "format/npy.h"
#include "layer_inputs.h"

namespace tinyai {
namespace {

constexpr size_t kShown = 8;  // numbers of the first sample
constexpr size_t kBest = 5;

}  // namespace

Result<LayerOutputs> LayerOutputs::Open(const Graph& graph, std::span<const std::string> words,
                                        uint64_t samples, bool samples_axis,
                                        std::span<const File* const> inputs) {
  TRY_ASSIGN(const std::vector<NamedFile> named, FindNamed(graph, graph.outputs, words, "-o"));
  LayerOutputs out;
  for (const ValueId id : graph.outputs) {
    const Value& value = graph.value(id);
    Output& output = out.outputs_.emplace_back();
    output.name = value.name;
    output.shape.assign(value.shape.begin(), value.shape.end());
    const auto found = std::ranges::find(named, id, &NamedFile::value);
    if (found == named.end()) continue;
    std::vector<uint64_t> shape = output.shape;
    if (samples_axis) shape.insert(shape.begin(), samples);
    output.path = found->path;
    TRY_ASSIGN(output.file, OutputFile::Open(found->path, inputs));
    TRY(output.file->Write(NpyHeader(shape)));
  }
  return out;
}

Status LayerOutputs::Add(const Session& session, uint64_t samples) {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    Output& output = outputs_[i];
    for (uint64_t sample = 0; sample < samples; ++sample) {
      const std::span<const float> numbers = session.Output(i, sample);
      output.AddSample(numbers);
      if (!output.file) continue;
      const std::span<const std::byte> bytes = std::as_bytes(numbers);
      TRY(output.file->Write({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
    }
  }
  samples_ += samples;
  return {};
}

Status LayerOutputs::Commit() {
  for (Output& output : outputs_) {
    if (output.file) TRY(output.file->Commit());
  }
  return {};
}

void LayerOutputs::Output::AddSample(std::span<const float> numbers) {
  if (count + bad == 0) KeepFirst(numbers);
  for (const float number : numbers) {
    if (!std::isfinite(number)) {
      ++bad;
      continue;
    }
    least = count == 0 ? number : std::min(least, number);
    most = count == 0 ? number : std::max(most, number);
    sum += number;
    ++count;
  }
}

// The best of a vector: scores of classes, say.
void LayerOutputs::Output::KeepFirst(std::span<const float> numbers) {
  first.assign(numbers.begin(),
               numbers.begin() + static_cast<ptrdiff_t>(std::min(kShown, numbers.size())));
  const auto long_axes = std::ranges::count_if(shape, [](uint64_t axis) { return axis > 1; });
  if (long_axes != 1) return;
  for (uint64_t at = 0; at < numbers.size(); ++at) {
    if (std::isnan(numbers[at])) continue;
    const auto worse =
        std::ranges::find_if(best, [&](const auto& other) { return other.second < numbers[at]; });
    if (worse == best.end() && best.size() == kBest) continue;
    best.insert(worse, {at, numbers[at]});
    if (best.size() > kBest) best.pop_back();
  }
}

std::string LayerOutputs::Output::Text(uint64_t samples) const {
  std::string out = fmt::format("{} [{}]", EscapeControl(name), fmt::join(shape, ", "));
  if (samples > 1) out += fmt::format(" x {} samples", samples);
  out += fmt::format("\n  min {:.6g}, max {:.6g}, mean {:.6g}", least, most, mean());
  if (bad != 0) out += fmt::format("; {} of {} are no finite numbers", bad, bad + count);
  out += "\n  first";
  for (const float number : first) out += fmt::format(" {:.6g}", number);
  if (!best.empty()) {
    out += "\n  best ";
    for (const auto& [at, number] : best) out += fmt::format(" {}: {:.6g} ", at, number);
    out.pop_back();
  }
  if (path) out += fmt::format("\n  written to {}", EscapeControl(*path));
  return out + "\n";
}

std::string LayerOutputs::Text() const {
  std::string out;
  for (const Output& output : outputs_) out += output.Text(samples_);
  return out;
}

Json LayerOutputs::ToJson() const {
  Json out = Json::array();
  for (const Output& output : outputs_) {
    Json& it = out.emplace_back();
    it["name"] = output.name;
    it["shape"] = output.shape;
    it["min"] = tinyai::ToJson(output.least);
    it["max"] = tinyai::ToJson(output.most);
    it["mean"] = output.mean();
    it["not_finite"] = output.bad;
    Json& first = it["first"] = Json::array();
    for (const float number : output.first) first.push_back(tinyai::ToJson(number));
    Json& best = it["best"] = Json::array();
    for (const auto& [at, number] : output.best) {
      best.push_back(Json::array({at, tinyai::ToJson(number)}));
    }
    it["file"] = output.path ? Json(*output.path) : Json();
  }
  return out;
}

}  // namespace tinyai
