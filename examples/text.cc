// A language model, layer by layer: each pass through the layers makes a token.
//
//   text MODEL [PROMPT]    # a GGUF or .tmai file
#include <cstddef>
#include <cstdio>
#include <memory>
#include <vector>

#include "chain.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: text MODEL [PROMPT]\n");
    return 2;
  }
  const char* prompt = argc > 2 ? argv[2] : "Once upon a time";
  const std::unique_ptr<TinyAIMappedModel, decltype(&tinyaiCloseMappedModel)> model(
      tinyaiOpenMappedModel(argv[1], nullptr), tinyaiCloseMappedModel);
  Check(model != nullptr, argv[1]);
  const std::unique_ptr<TinyAIForwardScheduler, decltype(&tinyaiDestroyForwardScheduler)> scheduler(
      tinyaiCreateForwardScheduler(model.get(), TINYAI_EXEC_ADAPTIVE, 64 << 20),
      tinyaiDestroyForwardScheduler);
  Check(scheduler != nullptr, "scheduler");

  // Embedding, then attention and feed-forward of each block, then output: a chain. What the last
  // layer is given bounds the text and its end.
  std::vector<char> text(2048);
  const int layers = tinyaiGetMappedLayerCount(model.get());
  for (int i = 0; i < layers; ++i) {
    Check(tinyaiAddLayerToSchedule(scheduler.get(), i, i - 1,
                                   i > 0 ? TINYAI_DEP_SEQUENTIAL : TINYAI_DEP_NONE,
                                   i == layers - 1 ? text.size() : 0),
          "schedule");
  }
  TinyAITextSettings settings;
  tinyaiInitTextSettings(&settings);
  settings.max_new_tokens = 40;
  Check(tinyaiSetSchedulerTextSettings(scheduler.get(), &settings), "settings");
  Check(tinyaiPrepareForwardPass(scheduler.get()), "prepare");

  int layer = -1;
  int passes = 0;
  while (tinyaiExecuteNextLayer(scheduler.get(), prompt, text.data(), &layer)) {
    passes += layer == layers - 1;
  }
  Check(layer == -1, "execute");
  std::printf("%s\n", text.data());
  std::fprintf(stderr, "%d passes, at most %zu bytes\n", passes,
               tinyaiGetSchedulerPeakMemoryUsage(scheduler.get()));
  return 0;
}
