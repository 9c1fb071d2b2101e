/* Weights in fewer bits: what each precision takes, and how far the result moves.
 *
 *   mixed_precision [FILE]    # precision.tmai, made anew
 */
#include "chain.h"

enum { kLayers = 8, kWidth = 256 };

static size_t WeightBytes(const TinyAIMappedModel* model) {
  size_t bytes = 0;
  for (int i = 0; i < kLayers; i++) bytes += tinyaiGetLayerDescriptor(model, i)->size;
  return bytes;
}

static void Run(TinyAIMappedModel* model, float* output) {
  static float input[kWidth];
  for (int i = 0; i < kWidth; i++) input[i] = (float)(i % 5) - 2;
  TinyAIForwardScheduler* scheduler = tinyaiCreateForwardScheduler(model, TINYAI_EXEC_ADAPTIVE, 0);
  Check(scheduler != NULL, "scheduler");
  ScheduleChain(scheduler, kLayers);
  Check(tinyaiPrepareForwardPass(scheduler), "prepare");
  int layer;
  while (tinyaiExecuteNextLayer(scheduler, input, output, &layer)) {
  }
  Check(layer == -1, "execute");
  tinyaiDestroyForwardScheduler(scheduler);
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    TinyAIPrecision precision;
  } kinds[] = {{"as in the file", TINYAI_PREC_KEEP},
               {"FP16", TINYAI_PREC_FP16},
               {"INT8", TINYAI_PREC_INT8},
               {"INT4", TINYAI_PREC_INT4}};
  const char* path = argc > 1 ? argv[1] : "precision.tmai";
  MakeChain(path, kLayers, kWidth);
  TinyAIMappedModel* model = tinyaiOpenMappedModel(path, NULL);
  Check(model != NULL, path);
  static float exact[kWidth], output[kWidth];
  Run(model, exact);
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    TinyAIMixedPrecisionConfig config;
    tinyaiInitMixedPrecisionConfig(&config);
    config.ffnPrecision = kinds[k].precision;
    Check(tinyaiApplyMixedPrecision(model, &config), kinds[k].name);
    Run(model, output);
    float farthest = 0;
    for (int i = 0; i < kWidth; i++) {
      const float apart = output[i] > exact[i] ? output[i] - exact[i] : exact[i] - output[i];
      if (apart > farthest) farthest = apart;
    }
    printf("%-14s %7zu bytes, farthest %.3g\n", kinds[k].name, WeightBytes(model), farthest);
  }
  tinyaiCloseMappedModel(model);
  return 0;
}
