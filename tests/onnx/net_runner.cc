// Runs a net of nets.py through the engine: net_runner FOLDER MODE THREADS [MEMORY_BYTES] reads
// graph.json, weights.bin and inputs.bin of the folder and writes the result to outputs.bin. Where
// the folder has net.tmai, that is the net.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/forward_pass.h"
#include "engine/open_model_file.h"
#include "graph/graph_records.h"
#include "nlohmann/json.hpp"
#include "os/file.h"

namespace tinyai {
namespace {

using Json = nlohmann::json;

[[noreturn]] void Stop(const std::string& why) {
  std::fprintf(stderr, "net_runner: %s\n", why.c_str());
  std::exit(1);
}
template <typename T>
T Must(Result<T> result) {
  if (!result) Stop(Describe(result.error()));
  return std::move(*result);
}

GraphRecords::Attribute AttributeOf(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  if (json.is_array()) return json.get<std::vector<int64_t>>();
  if (json.is_number_float()) return json.get<double>();
  return json.get<int64_t>();
}

// Each op is a layer of its own.
GraphRecords RecordsOf(const Json& json, const std::map<std::string, uint32_t>& tensors) {
  GraphRecords records;
  std::map<std::string, uint32_t> values;
  for (const Json& value : json["values"]) {
    values[value[0]] = static_cast<uint32_t>(records.values.size());
    records.values.push_back({value[0], value[1].get<std::vector<uint64_t>>()});
  }
  for (const Json& op : json["ops"]) {
    GraphRecords::Op& to = records.ops.emplace_back();
    to.name = op["name"];
    to.kind = op["kind"];
    for (const auto& [name, attribute] : op["attributes"].items()) {
      to.attributes.emplace_back(name, AttributeOf(attribute));
    }
    for (const Json& in : op["ins"]) to.ins.push_back(values.at(in));
    to.outs = {values.at(op["out"])};
    for (const Json& weight : op["weights"]) to.weights.push_back(tensors.at(weight));
    records.layers.push_back({.name = to.name,
                              .first_op = static_cast<uint32_t>(records.ops.size() - 1),
                              .op_count = 1,
                              .operands = to.ins,
                              .output = to.outs[0]});
  }
  for (const Json& input : json["inputs"]) records.inputs.push_back(values.at(input));
  records.outputs = {values.at(json["output"])};
  return records;
}

Graph ReadGraph(const std::string& folder, const std::string& weights_path) {
  std::ifstream in(folder + "/graph.json");
  const Json json = Json::parse(in);
  std::vector<TensorInfo> weights;
  std::map<std::string, uint32_t> tensors;
  for (const Json& tensor : json["tensors"]) {
    tensors[tensor["name"]] = static_cast<uint32_t>(weights.size());
    const uint64_t rows = tensor["rows"], cols = tensor["cols"];
    weights.push_back({.name = tensor["name"],
                       .type = DType::kF32,
                       .n_dims = 2,
                       .dims = {cols, rows, 1, 1},
                       .part = 0,
                       .offset = tensor["offset"],
                       .bytes = rows * cols * sizeof(float)});
  }
  const std::vector<std::string> parts = {weights_path};
  return Must(GraphFromRecords(PackedGraph(RecordsOf(json, tensors)), std::move(weights), parts));
}

uint64_t SizeOf(const Shape& shape) {
  uint64_t size = 1;
  for (const uint64_t axis : shape) size *= axis;
  return size;
}

std::vector<std::vector<float>> ReadInputs(const std::string& folder, const Graph& graph) {
  std::ifstream in(folder + "/inputs.bin", std::ios::binary);
  std::vector<std::vector<float>> inputs;
  for (const ValueId id : graph.inputs) {
    std::vector<float>& input = inputs.emplace_back(SizeOf(graph.value(id).shape));
    in.read(reinterpret_cast<char*>(input.data()),
            static_cast<std::streamsize>(input.size() * sizeof(float)));
  }
  if (!in) Stop("inputs.bin is too short");
  return inputs;
}

PlanMode ModeOf(const std::string& name) {
  if (name == "normal") return PlanMode::kNormal;
  if (name == "memory") return PlanMode::kMemoryOptimised;
  if (name == "streaming") return PlanMode::kStreaming;
  if (name == "adaptive") return PlanMode::kAdaptive;
  Stop("no mode '" + name + "'");
}

Graph ReadConverted(const std::string& path) {
  OpenedModelFile model = Must(OpenModelFile(path));
  if (!model.file.graph) Stop("net.tmai has no graph");
  return Must(GraphFromRecords(*model.file.graph, std::move(model.file.tensors), model.file.parts));
}

int Run(const std::string& folder, const ForwardOptions& options) {
  const std::string converted = folder + "/net.tmai";
  const bool is_converted = std::filesystem::exists(converted);
  const std::string weights_path = is_converted ? converted : folder + "/weights.bin";
  const Graph graph = is_converted ? ReadConverted(converted) : ReadGraph(folder, weights_path);
  const std::unique_ptr<File> file = Must(File::Open(weights_path));
  const RopeFrequencies rope;
  const auto open = [&file](uint32_t depth) {
    const File* const files[] = {file.get()};
    return OpenReadQueue(files, {.depth = depth});
  };
  const ForwardModel model = {nullptr, &graph, &rope, open};
  Machine machine;
  machine.threads = options.threads;
  machine.available_bytes = uint64_t{1} << 30;
  Budget process{"net_runner", Budget::kUnlimited};
  const auto pass =
      Must(ForwardPass::Open(model, Must(PlanForward(model, options, machine)), process));
  const std::vector<std::vector<float>> inputs = ReadInputs(folder, graph);
  std::vector<const float*> pointers;
  for (const std::vector<float>& input : inputs) pointers.push_back(input.data());
  if (const Status began = pass->Begin(1); !began) Stop(Describe(began.error()));
  if (const Status ran = pass->RunAll(pointers); !ran) Stop(Describe(ran.error()));
  std::ofstream out(folder + "/outputs.bin", std::ios::binary);
  for (const ValueId wanted : graph.outputs) {
    for (uint32_t i = 0; i < graph.layers.size(); ++i) {
      if (graph.layers[i].output != wanted) continue;
      const auto output = pass->Output(i);
      if (!output) Stop("an output is not there");
      out.write(reinterpret_cast<const char*>(output->data),
                static_cast<std::streamsize>(SizeOf(output->shape) * sizeof(float)));
    }
  }
  std::printf("%llu\n", static_cast<unsigned long long>(pass->peak_bytes()));
  return 0;
}

}  // namespace
}  // namespace tinyai

int main(int argc, char** argv) {
  if (argc < 4) tinyai::Stop("usage: net_runner FOLDER MODE THREADS [MEMORY_BYTES]");
  tinyai::ForwardOptions options;
  options.mode = tinyai::ModeOf(argv[2]);
  options.threads = static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 10));
  if (argc > 4) options.memory_bytes = std::strtoull(argv[4], nullptr, 10);
  return tinyai::Run(argv[1], options);
}
