#pragma once

// Layer graphs with random weights in a file of their own.

#include <cmath>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "engine/forward_pass.h"
#include "graph/layer_builder.h"
#include "gtest/gtest.h"
#include "os/file.h"
#include "os/testing.h"

namespace tinyai {

struct TestNet {
  Graph graph;
  std::vector<std::vector<float>> weights;  // by weight: what the reference computes with
  RopeFrequencies rope;
  ScratchDirectory scratch;
  std::unique_ptr<File> file;

  ForwardModel model() const {
    const auto open = [this](uint32_t depth) {
      const File* const files[] = {file.get()};
      return OpenReadQueue(files, {.depth = depth});
    };
    return {nullptr, &graph, &rope, open};
  }
  uint64_t weight_bytes() const {
    uint64_t bytes = 0;
    for (const Weight& weight : graph.weights) bytes += weight.bytes;
    return bytes;
  }
};

// Fills every weight, all F32, with numbers that keep activations of a sane size.
inline std::unique_ptr<TestNet> MakeNet(Graph graph, uint64_t seed = 1) {
  auto net = std::make_unique<TestNet>();
  net->graph = std::move(graph);
  std::mt19937_64 random(seed);
  const std::string path = (net->scratch.path() / "weights").string();
  std::ofstream out(path, std::ios::binary);
  uint64_t at = 0;
  for (Weight& weight : net->graph.weights) {
    const bool vector = weight.rows == 1;
    const float scale = 1 / std::sqrt(static_cast<float>(weight.cols));
    std::normal_distribution<float> normal(0, vector ? 0.3F : scale);
    std::vector<float>& values = net->weights.emplace_back(weight.rows * weight.cols);
    for (float& value : values) value = normal(random);
    if (vector) {  // scales and variances are near 1
      for (float& value : values) value = std::abs(1 + value);
    }
    const uint64_t begin = RoundUp(at, 64);
    out << std::string(begin - at, '\0');
    weight.offset = begin;
    out.write(reinterpret_cast<const char*>(values.data()),
              static_cast<std::streamsize>(weight.bytes));
    at = begin + weight.bytes;
  }
  out << std::string(4096, '\0');
  out.close();
  auto file = File::Open(path);
  EXPECT_TRUE(file) << Describe(file.error());
  net->file = std::move(*file);
  return net;
}

inline std::vector<float> RandomInput(uint64_t size, uint64_t seed = 7) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> out(size);
  for (float& value : out) value = normal(random);
  return out;
}

inline Machine NetMachine(uint32_t threads = 2) {
  Machine machine;
  machine.threads = threads;
  machine.available_bytes = uint64_t{1} << 30;
  return machine;
}

// All outputs of sinks after one pass, one after the other; and what it took.
struct NetRun {
  std::vector<float> outputs;
  uint64_t peak_bytes = 0, planned_bytes = 0;
  PlanMode mode = PlanMode::kNormal;
  double recompute_ratio = 1;
  uint64_t scratch_bytes = 0, spilled_bytes = 0;  // as planned; as counted
  std::optional<Error> error;
};

inline std::vector<float> Copy(const LayerOutput& output) {
  std::vector<float> out;
  uint64_t size = 1;
  for (const uint64_t axis : output.shape) size *= axis;
  for (uint64_t i = 0; i < output.samples; ++i) {
    const float* const row = output.data + i * output.stride;
    out.insert(out.end(), row, row + size);
  }
  return out;
}

inline NetRun RunNet(const TestNet& net, const ForwardOptions& options,
                     const std::vector<std::vector<float>>& inputs, bool whole = false) {
  NetRun run;
  Result<ForwardPlan> plan = PlanForward(net.model(), options, NetMachine());
  if (!plan) return run.error = plan.error(), run;
  run.planned_bytes = plan->peak_bytes();
  run.mode = plan->mode;
  run.recompute_ratio = plan->recompute_ratio;
  run.scratch_bytes = plan->plan.scratch_bytes;
  Budget process{"test", Budget::kUnlimited};
  auto pass = ForwardPass::Open(net.model(), std::move(*plan), process);
  if (!pass) return run.error = pass.error(), run;
  std::vector<const float*> pointers;
  for (const std::vector<float>& input : inputs) pointers.push_back(input.data());
  if (Status began = (*pass)->Begin(options.batch); !began) return run.error = began.error(), run;
  if (whole) {
    if (Status ran = (*pass)->RunAll(pointers); !ran) return run.error = ran.error(), run;
  }
  while (!(*pass)->is_complete()) {
    const Result<uint32_t> ran = (*pass)->RunNext(pointers);
    if (!ran) return run.error = ran.error(), run;
    EXPECT_LE((*pass)->memory_bytes(), (*pass)->peak_bytes());
  }
  for (const ValueId sink : net.graph.outputs) {
    for (uint32_t layer = 0; layer < net.graph.layers.size(); ++layer) {
      if (net.graph.layers[layer].output != sink) continue;
      const auto output = (*pass)->Output(layer);
      EXPECT_TRUE(output) << "layer " << layer;
      if (!output) continue;
      const std::vector<float> values = Copy(*output);
      run.outputs.insert(run.outputs.end(), values.begin(), values.end());
    }
  }
  run.peak_bytes = (*pass)->peak_bytes();
  run.spilled_bytes = (*pass)->stats().spilled_bytes;
  return run;
}

}  // namespace tinyai
