/* A model sixteen times as large as the memory it may take: writes one with 128 MiB of weights and
 * runs it in 8 MiB.
 *
 *   larger_than_memory [FILE]    # chain.tmai, made anew
 */
#include "chain.h"

enum { kLayers = 32, kWidth = 1024, kLimit = 8 << 20 };

int main(int argc, char** argv) {
  const char* path = argc > 1 ? argv[1] : "chain.tmai";
  MakeChain(path, kLayers, kWidth);

  TinyAIMmapConfig config = tinyaiCreateDefaultMmapConfig();
  config.maxCacheSize = kLimit;
  TinyAIMappedModel* model = tinyaiOpenMappedModel(path, &config);
  Check(model != NULL, path);
  size_t weights = 0;
  for (int i = 0; i < tinyaiGetMappedLayerCount(model); i++) {
    weights += tinyaiGetLayerDescriptor(model, i)->size;
  }

  /* Everything is decided here: had 8 MiB not been enough, this would say what is. */
  TinyAIForwardScheduler* scheduler =
      tinyaiCreateForwardScheduler(model, TINYAI_EXEC_STREAMING, kLimit);
  Check(scheduler != NULL, "scheduler");
  ScheduleChain(scheduler, kLayers);
  Check(tinyaiPrepareForwardPass(scheduler), "prepare");

  static float input[kWidth], output[kWidth];
  for (int i = 0; i < kWidth; i++) input[i] = (float)(i % 7) - 3;
  int layer, executed = 0;
  while (tinyaiExecuteNextLayer(scheduler, input, output, &layer)) executed++;
  Check(layer == -1, "execute");

  const size_t peak = tinyaiGetSchedulerPeakMemoryUsage(scheduler);
  printf("%d layers, %zu bytes of weights\n", executed, weights);
  printf("peak %zu of at most %d bytes\n", peak, kLimit);
  printf("output %g %g %g ..\n", output[0], output[1], output[2]);
  tinyaiDestroyForwardScheduler(scheduler);
  tinyaiCloseMappedModel(model);
  return peak <= kLimit ? 0 : 1;
}
