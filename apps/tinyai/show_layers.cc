#include "show_layers.h"

#include <algorithm>
#include <span>

#include "base/escape.h"
#include "base/units.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr size_t kMostKindsShown = 4;

uint64_t WeightBytes(const ModelFile& file, const GraphRecords::Layer& layer) {
  uint64_t bytes = 0;
  for (const TensorInfo& tensor :
       std::span(file.tensors).subspan(layer.first_tensor, layer.tensor_count)) {
    bytes += tensor.bytes;
  }
  return bytes;
}

std::vector<std::string> KindsOf(const GraphRecords& graph, const GraphRecords::Layer& layer) {
  std::vector<std::string> kinds;
  for (const GraphRecords::Op& op : std::span(graph.ops).subspan(layer.first_op, layer.op_count)) {
    kinds.push_back(op.kind);
  }
  return kinds;
}

// "conv, activation", "dense, activation, .. 7 more"; of a text model, whose ops are told by its
// architecture, "".
std::string Shown(std::vector<std::string> kinds) {
  const size_t shown = kinds.size() <= kMostKindsShown ? kinds.size() : kMostKindsShown - 1;
  std::string text;
  for (const std::string& kind : std::span(kinds).first(shown)) {
    text += (text.empty() ? "" : ", ") + EscapeControl(kind);
  }
  if (shown < kinds.size()) text += fmt::format(", {} more", kinds.size() - shown);
  return text;
}

std::string Shape(const GraphRecords::Value& value) {
  return fmt::format("{}", fmt::join(value.shape, " x "));
}

// Columns as wide as what is in them; those with nothing below their heading are left out.
std::string Table(const std::vector<std::vector<std::string>>& rows,
                  std::span<const bool> to_the_right) {
  std::vector<size_t> widths(to_the_right.size());
  for (const auto& row : std::span(rows).subspan(1)) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] != 0) widths[i] = std::max(widths[i], rows[0][i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line = " ";
    for (size_t i = 0; i < row.size(); ++i) {
      if (widths[i] == 0) continue;
      line += to_the_right[i] ? fmt::format(" {:>{}} ", row[i], widths[i])
                              : fmt::format(" {:<{}} ", row[i], widths[i]);
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

}  // namespace

std::string DescribeLayers(const ModelFile& file) {
  if (!file.graph) return "";
  const GraphRecords graph = file.graph->Unpack();
  std::string out;
  if (!graph.inputs.empty()) out += "\nInputs:\n";
  for (const uint32_t input : graph.inputs) {
    const GraphRecords::Value& value = graph.values[input];
    out += fmt::format("  {}  {}\n", EscapeControl(value.name), Shape(value));
  }
  std::vector<std::vector<std::string>> rows = {{"", "name", "role", "ops", "weights", "output"}};
  for (size_t i = 0; i < graph.layers.size(); ++i) {
    const GraphRecords::Layer& layer = graph.layers[i];
    const uint64_t bytes = WeightBytes(file, layer);
    rows.push_back({std::to_string(i), EscapeControl(layer.name), std::string(Name(layer.role)),
                    Shown(KindsOf(graph, layer)), bytes == 0 ? "" : FormatByteSize(bytes),
                    Shape(graph.values[layer.output])});
  }
  constexpr bool kToTheRight[] = {true, false, false, false, true, false};
  return out + "\nLayers:\n" + Table(rows, kToTheRight);
}

Json LayersToJson(const ModelFile& file) {
  Json out = Json::array();
  if (!file.graph) return out;
  const GraphRecords graph = file.graph->Unpack();
  for (const GraphRecords::Layer& layer : graph.layers) {
    out.push_back({{"name", layer.name},
                   {"role", Name(layer.role)},
                   {"ops", KindsOf(graph, layer)},
                   {"weight_bytes", WeightBytes(file, layer)},
                   {"output", graph.values[layer.output].shape}});
  }
  return out;
}

Json InputsToJson(const ModelFile& file) {
  Json out = Json::array();
  if (!file.graph) return out;
  for (const uint32_t input : file.graph->inputs()) {
    const GraphRecords::Value value = file.graph->value(input);
    out.push_back({{"name", value.name}, {"shape", value.shape}});
  }
  return out;
}

}  // namespace tinyai
