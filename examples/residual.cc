// The forward pass as the caller wires it: the file has a plain chain of five layers, and the pass
// adds a connection around three of them. An operation with one operand gets the sum of what its
// layer reads.
//
//   residual [FILE]    # residual.tmai, made anew
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <tinyai/tinyai.hpp>
#include <vector>

namespace {

constexpr int kLayers = 5;
constexpr std::size_t kWidth = 256;

// Dense layers with an activation each, all with the same weights.
void MakeChain(const std::string& path) {
  std::vector<float> weights(kWidth * kWidth);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<float>(i * 7919 % 1009) / 1009 / 16 - 1.0f / 32;
  }
  tinyai::Graph graph("chain");
  tinyai::Graph::Value value = graph.Input("x", {kWidth});
  for (int i = 0; i < kLayers; ++i) {
    const std::string name = "dense." + std::to_string(i);
    value = graph.Dense(name, value, graph.AddWeight(name, kWidth, kWidth, weights));
    value = graph.Activate(name + ".act", value, tinyai::Function::kTanh);
    graph.EndLayer(name, tinyai::Role::kFeedForward);
  }
  graph.Save(path).value();
}

std::vector<float> Run(const tinyai::Model& model, const std::vector<tinyai::WiredLayer>& layers) {
  tinyai::Pass pass =
      tinyai::Pass::Prepare(
          model, {.mode = tinyai::Mode::kMemory, .memory_bytes = 1 << 20, .layers = layers})
          .value();
  const std::vector<float> input(pass.input_size(), 0.5f);
  std::vector<float> output(pass.output_size());
  const auto tell = [&](int layer) {
    std::printf("layer %d reads", layer);
    for (const int read : layers[static_cast<std::size_t>(layer)].reads) std::printf(" %d", read);
    // The output of layer 0 stays for layer 4; no other one outlives the next layer.
    std::printf("; layer 0 is %s\n", pass.output(0) ? "held" : "gone");
    return true;
  };
  pass.Run(input, output, tell).value();
  return output;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string path = argc > 1 ? argv[1] : "residual.tmai";
    MakeChain(path);
    const tinyai::Model model = tinyai::Model::Open(path).value();
    std::vector<tinyai::WiredLayer> layers = {{0, {}}};
    for (int i = 1; i < kLayers; ++i) layers.push_back({i, {i - 1}});
    std::puts("as the file has it:");
    const std::vector<float> plain = Run(model, layers);
    layers[4].reads.push_back(0);
    std::puts("with a residual connection:");
    const std::vector<float> wired = Run(model, layers);
    std::printf("output %g, with the connection %g\n", static_cast<double>(plain[0]),
                static_cast<double>(wired[0]));
    return plain != wired ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
