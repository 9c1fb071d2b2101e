#include "layer_inputs.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/escape.h"
#include "flags.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

std::string ShapeText(std::span<const uint64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::optional<ValueId> Named(const Graph& graph, std::span<const ValueId> values,
                             std::string_view name) {
  const auto found =
      std::ranges::find_if(values, [&](ValueId id) { return graph.value(id).name == name; });
  return found == values.end() ? std::nullopt : std::optional(*found);
}

// A name may have the character that ends it; then it is the longest one there is.
Result<NamedFile> Split(const Graph& graph, std::span<const ValueId> values,
                        const std::string& word, std::string_view flag) {
  for (size_t at = word.rfind('='); at != std::string::npos && at > 0;
       at = word.rfind('=', at - 1)) {
    const std::optional<ValueId> value = Named(graph, values, std::string_view(word).substr(0, at));
    if (value) return NamedFile{*value, word.substr(at + 1)};
  }
  const size_t equals = word.find('=');
  if (equals == std::string::npos && values.size() == 1) return NamedFile{values[0], word};
  if (equals == std::string::npos) {
    return Fail(ErrorCode::kUsage, "BAD_USAGE",
                fmt::format("{} {}: for which of {}? Write {} NAME={}", flag, EscapeControl(word),
                            ListValues(graph, values), flag, EscapeControl(word)));
  }
  std::vector<std::string> names;
  for (const ValueId id : values) names.push_back(graph.value(id).name);
  const std::string near = Nearest(word.substr(0, equals), names);
  return Fail(ErrorCode::kUsage, "NO_SUCH_VALUE",
              fmt::format("{} {}: there is no '{}'{}; there is {}", flag, EscapeControl(word),
                          EscapeControl(word.substr(0, equals)),
                          near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near),
                          ListValues(graph, values)));
}

}  // namespace

std::string ListValues(const Graph& graph, std::span<const ValueId> values) {
  constexpr size_t kMostListed = 16;
  std::string out;
  for (const ValueId id : values.first(std::min(kMostListed, values.size()))) {
    const Value& value = graph.value(id);
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", EscapeControl(value.name),
                       ShapeText(value.shape));
  }
  if (values.size() > kMostListed) out += fmt::format(", and {} more", values.size() - kMostListed);
  return out;
}

Result<std::vector<NamedFile>> FindNamed(const Graph& graph, std::span<const ValueId> values,
                                         std::span<const std::string> words,
                                         std::string_view flag) {
  std::vector<NamedFile> out;
  for (const std::string& word : words) {
    TRY_ASSIGN(NamedFile named, Split(graph, values, word, flag));
    const bool twice = std::ranges::any_of(
        out, [&](const NamedFile& other) { return other.value == named.value; });
    if (twice) {
      return Fail(
          ErrorCode::kUsage, "BAD_USAGE",
          fmt::format("{} names '{}' twice", flag, EscapeControl(graph.value(named.value).name)));
    }
    out.push_back(std::move(named));
  }
  return out;
}

Result<LayerInputs> LayerInputs::Open(const Graph& graph, std::span<const std::string> words) {
  TRY_ASSIGN(const std::vector<NamedFile> named, FindNamed(graph, graph.inputs, words, "--input"));
  LayerInputs out;
  for (const ValueId id : graph.inputs) {
    const auto found = std::ranges::find(named, id, &NamedFile::value);
    if (found == named.end()) {
      return Fail(ErrorCode::kUsage, "INPUT_MISSING",
                  fmt::format("no --input for '{}'; this model takes {}, each a .npy file of "
                              "float32 as numpy.save writes it: --input {}=FILE.npy",
                              EscapeControl(graph.value(id).name), ListValues(graph, graph.inputs),
                              EscapeControl(graph.value(id).name)));
    }
    TRY(out.Take(graph, id, found->path));
  }
  return out;
}

Status LayerInputs::Take(const Graph& graph, ValueId id, const std::string& path) {
  const Value& value = graph.value(id);
  Input input{
      .name = value.name, .file = nullptr, .array = {}, .width = value.width, .numbers = {}};
  TRY_ASSIGN(input.file, File::Open(path));
  TRY_ASSIGN(input.array, ReadNpy(*input.file));
  const std::vector<uint64_t>& shape = input.array.shape;
  const bool one = std::ranges::equal(shape, value.shape);
  const bool several = !one && shape.size() == value.shape.size() + 1 && shape[0] != 0 &&
                       std::equal(shape.begin() + 1, shape.end(), value.shape.begin());
  if (!one && !several) {
    return FailAt(ErrorCode::kUsage, "INPUT_SHAPE",
                  fmt::format("its shape is {}; '{}' is {}, or {} for n samples", ShapeText(shape),
                              EscapeControl(value.name), ShapeText(value.shape),
                              fmt::format("[n, {}]", fmt::join(value.shape, ", "))),
                  path);
  }
  const uint64_t samples = several ? shape[0] : 1;
  if (!inputs_.empty() && samples != samples_) {
    return FailAt(ErrorCode::kUsage, "INPUT_SHAPE",
                  fmt::format("it has {} samples for '{}', and '{}' has {}", samples,
                              EscapeControl(value.name), EscapeControl(inputs_[0].name), samples_),
                  path);
  }
  samples_ = samples;
  samples_axis_ = samples_axis_ || several;
  inputs_.push_back(std::move(input));
  return {};
}

std::vector<const File*> LayerInputs::files() const {
  std::vector<const File*> out;
  for (const Input& input : inputs_) out.push_back(input.file.get());
  return out;
}

Result<std::span<const float* const>> LayerInputs::Read(uint64_t first, uint64_t count) {
  pointers_.clear();
  for (Input& input : inputs_) {
    input.numbers.resize(count * input.width);
    TRY(input.file->ReadAt(input.array.data_offset + first * input.width * sizeof(float),
                           std::as_writable_bytes(std::span(input.numbers))));
    input.bad += static_cast<uint64_t>(
        std::ranges::count_if(input.numbers, [](float number) { return !std::isfinite(number); }));
    pointers_.push_back(input.numbers.data());
  }
  return std::span<const float* const>(pointers_);
}

std::vector<LayerInputs::Bad> LayerInputs::bad_numbers() const {
  std::vector<Bad> out;
  for (const Input& input : inputs_) {
    if (input.bad != 0) out.push_back({input.name, input.bad});
  }
  return out;
}

}  // namespace tinyai
