// The forward pass as the caller wires it: the file has a plain chain of five layers, and the
// schedule adds a connection around three of them. An operation with one operand gets the sum of
// what its layer reads.
//
//   residual [FILE]    # residual.tmai, made anew
#include <array>
#include <cstdio>
#include <memory>
#include <vector>

#include "chain.h"

namespace {

constexpr int kLayers = 5;
constexpr std::size_t kWidth = 256;

using Model = std::unique_ptr<TinyAIMappedModel, decltype(&tinyaiCloseMappedModel)>;
using Scheduler = std::unique_ptr<TinyAIForwardScheduler, decltype(&tinyaiDestroyForwardScheduler)>;

std::vector<float> Run(TinyAIMappedModel* model, bool residual) {
  const Scheduler scheduler(tinyaiCreateForwardScheduler(model, TINYAI_EXEC_MEMORY_OPT, 1 << 20),
                            tinyaiDestroyForwardScheduler);
  Check(scheduler != nullptr, "scheduler");
  ScheduleChain(scheduler.get(), kLayers);
  if (residual) {
    Check(tinyaiAddLayerToSchedule(scheduler.get(), 4, 0, TINYAI_DEP_RESIDUAL, 0), "residual");
  }
  Check(tinyaiPrepareForwardPass(scheduler.get()), "prepare");

  std::vector<float> input(kWidth, 0.5f), output(kWidth);
  int layer = -1;
  while (tinyaiExecuteNextLayer(scheduler.get(), input.data(), output.data(), &layer)) {
    std::array<int, 2> reads;
    const int count = tinyaiGetLayerDependencies(scheduler.get(), layer, reads.data(), nullptr, 2);
    std::printf("layer %d reads", layer);
    for (int i = 0; i < count; ++i) std::printf(" %d", reads[static_cast<std::size_t>(i)]);
    // The output of layer 0 stays for layer 4; no other one outlives the next layer.
    std::printf("; layer 0 is %s\n",
                tinyaiGetLayerOutput(scheduler.get(), 0) != nullptr ? "held" : "gone");
  }
  Check(layer == -1, "execute");
  return output;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = argc > 1 ? argv[1] : "residual.tmai";
  MakeChain(path, kLayers, kWidth);
  const Model model(tinyaiOpenMappedModel(path, nullptr), tinyaiCloseMappedModel);
  Check(model != nullptr, path);
  std::puts("as the file has it:");
  const std::vector<float> plain = Run(model.get(), false);
  std::puts("with a residual connection:");
  const std::vector<float> wired = Run(model.get(), true);
  std::printf("output %g, with the connection %g\n", plain[0], wired[0]);
  return plain != wired ? 0 : 1;
}
