/* The part of capi_speed.py that uses the library; prints one JSON object.
 *
 *   make FILE LAYERS WIDTH     writes a chain of dense layers of float32
 *   op FILE KIND               writes one layer: conv, activation or attention
 *   unet FILE SIZE CHANNELS    writes a U-net of four levels over a map of SIZE x SIZE
 *   pass FILE MODE MEMORY BATCH BITS PRUNE LEVEL REPS
 *   layers FILE CHECKPOINTING SPEED RECOMPUTE LIMIT REPS
 *
 * The best time of REPS passes of the layers, one after the other, with MODE (0..3) in MEMORY bytes
 * (0: what there is), BATCH samples (0: as many as are optimal, at most 64), weights of BITS (32,
 * 16, 8, 4), 70 % of them pruned if PRUNE, on the SIMD level LEVEL; its peak, the bytes of the
 * weights, and a digest of the result. `layers`: the same of a layer scheduler with activations in
 * LIMIT bytes (0: no limit), with what it computes twice and stores; REPS 0: its plan alone, no
 * activations where there is none.
 */
#include <string.h>
#include <time.h>

#include "chain.h"

static double Seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void MakeOp(const char* path, const char* kind) {
  static const size_t kMap[] = {32, 64, 64}, kRow[] = {262144}, kTokens[] = {256, 256};
  const bool conv = strcmp(kind, "conv") == 0, attention = strcmp(kind, "attention") == 0;
  TinyAIModelBuilder* builder = tinyaiCreateModelBuilder(kind);
  const int x = tinyaiBuilderAddInput(builder, "x",
                                      conv        ? kMap
                                      : attention ? kTokens
                                                  : kRow,
                                      conv        ? 3
                                      : attention ? 2
                                                  : 1);
  float scale = 1.0f / 16;
  const int weight =
      conv ? tinyaiBuilderAddStreamedWeight(builder, "w", "F32", 32, 32 * 9, Noise, &scale) : -1;
  const int operands[] = {x, x, x};
  const char* attributes = conv        ? "size=3,3 pad_begin=1,1 pad_end=1,1"
                           : attention ? "heads=8 kv_heads=8 scale=0.125"
                                       : "function=tanh";
  Check(tinyaiBuilderAddOp(builder, kind, kind, attributes, operands, attention ? 3 : 1, &weight,
                           conv ? 1 : 0) >= 0,
        kind);
  Check(tinyaiBuilderEndLayer(builder, kind, TINYAI_LAYER_ROLE_OTHER) == 0, kind);
  Check(tinyaiSaveBuiltModel(builder, path), path);
  tinyaiFreeModelBuilder(builder);
}

static void Transform(TinyAIMappedModel* model, int bits, int prune) {
  TinyAIMixedPrecisionConfig precision;
  tinyaiInitMixedPrecisionConfig(&precision);
  precision.ffnPrecision = bits == 16  ? TINYAI_PREC_FP16
                           : bits == 8 ? TINYAI_PREC_INT8
                           : bits == 4 ? TINYAI_PREC_INT4
                                       : TINYAI_PREC_KEEP;
  if (bits != 32) Check(tinyaiApplyMixedPrecision(model, &precision), "precision");
  TinyAIPruneConfig pruning;
  tinyaiInitPruneConfig(&pruning);
  pruning.sparsity = 0.7f;
  if (prune) Check(tinyaiPruneModel(model, &pruning), "prune");
}

/* FNV-1a. */
static uint64_t Digest(const float* values, size_t count) {
  uint64_t digest = 14695981039346656037u;
  for (size_t i = 0; i < count * sizeof *values; i++) {
    digest = (digest ^ ((const unsigned char*)values)[i]) * 1099511628211u;
  }
  return digest;
}

static void Pass(char** argv) {
  const int mode = atoi(argv[3]), bits = atoi(argv[6]), prune = atoi(argv[7]), reps = atoi(argv[9]);
  int batch = atoi(argv[5]);
  TinyAIMappedModel* model = tinyaiOpenMappedModel(argv[2], NULL);
  Check(model != NULL, argv[2]);
  Transform(model, bits, prune);
  tinyaiSetSIMDOptimizationLevel(model, atoi(argv[8]));
  const int layers = tinyaiGetMappedLayerCount(model);
  size_t weights = 0;
  for (int i = 0; i < layers; i++) weights += tinyaiGetLayerDescriptor(model, i)->size;
  TinyAIForwardScheduler* scheduler =
      tinyaiCreateForwardScheduler(model, (TinyAIExecutionMode)mode, (size_t)atoll(argv[4]));
  Check(scheduler != NULL, "scheduler");
  ScheduleChain(scheduler, layers);
  enum { kMostWidth = 4096, kMostBatch = 64 };
  static float input[kMostWidth * kMostBatch], output[kMostWidth * kMostBatch];
  for (size_t i = 0; i < sizeof input / sizeof *input; i++) input[i] = (float)(i % 7) - 3;
  if (batch == 0) batch = tinyaiCalculateOptimalBatchSize(scheduler, 0, 0, kMostBatch);
  Check(tinyaiSetSchedulerBatchSize(scheduler, batch), "batch");
  Check(tinyaiPrepareForwardPass(scheduler), "prepare");
  double best = 1e9;
  for (int i = 0; i < reps; i++) {
    tinyaiResetScheduler(scheduler);
    const double begin = Seconds();
    int layer;
    while (tinyaiExecuteNextLayer(scheduler, input, output, &layer)) {
    }
    Check(layer == -1, "execute");
    const double took = Seconds() - begin;
    if (took < best) best = took;
  }
  printf(
      "{\"seconds\": %.6f, \"peak\": %zu, \"weights\": %zu, \"batch\": %d, \"digest\": "
      "\"%016llx\"}\n",
      best, tinyaiGetSchedulerPeakMemoryUsage(scheduler), weights, batch,
      (unsigned long long)Digest(output, sizeof output / sizeof *output));
  tinyaiDestroyForwardScheduler(scheduler);
  tinyaiCloseMappedModel(model);
}

static int Unit(TinyAIModelBuilder* builder, const char* kind, const char* attributes,
                const int* operands, int count, size_t rows, size_t cols) {
  static int units = 0;
  char name[32];
  snprintf(name, sizeof name, "%s%d", kind, units++);
  static float scale = 0.1f; /* until the model is saved */
  const int weight =
      rows != 0 ? tinyaiBuilderAddStreamedWeight(builder, name, "F32", rows, cols, Noise, &scale)
                : -1;
  const int value = tinyaiBuilderAddOp(builder, name, kind, attributes, operands, count, &weight,
                                       rows != 0 ? 1 : 0);
  Check(value >= 0 && tinyaiBuilderEndLayer(builder, name, TINYAI_LAYER_ROLE_OTHER) >= 0, name);
  return value;
}
static int Conv(TinyAIModelBuilder* builder, int from, size_t in, size_t out) {
  const int wide =
      Unit(builder, "conv", "size=3,3 pad_begin=1,1 pad_end=1,1", &from, 1, out, in * 9);
  return Unit(builder, "activation", "function=relu", &wide, 1, 0, 0);
}

/* U-Net, Ronneberger et al. 2015, with half as many convolutions. */
static void MakeUnet(const char* path, size_t size, size_t channels) {
  enum { kLevels = 4 };
  TinyAIModelBuilder* builder = tinyaiCreateModelBuilder("unet");
  const size_t shape[] = {1, size, size};
  int skips[kLevels], x = tinyaiBuilderAddInput(builder, "image", shape, 3);
  size_t in = 1;
  for (int level = 0; level < kLevels; level++) {
    const size_t out = channels << level;
    skips[level] = Conv(builder, x, in, out);
    x = Unit(builder, "pool", "kind=max size=2,2 stride=2,2", &skips[level], 1, 0, 0);
    in = out;
  }
  x = Conv(builder, x, in, 2 * in);
  for (int level = kLevels; level-- > 0;) {
    const size_t out = channels << level;
    const int up = Unit(builder, "conv_transpose", "size=2,2 stride=2,2", &x, 1, out, 2 * out * 4);
    const int both[] = {up, skips[level]};
    x = Conv(builder, Unit(builder, "concat", "axis=0", both, 2, 0, 0), 2 * out, out);
  }
  Unit(builder, "conv", "size=1,1", &x, 1, 1, channels);
  Check(tinyaiSaveBuiltModel(builder, path), path);
  tinyaiFreeModelBuilder(builder);
}

static void Layers(char** argv) {
  const int reps = atoi(argv[7]);
  TinyAIMappedModel* mapped = tinyaiOpenMappedModel(argv[2], NULL);
  Check(mapped != NULL, argv[2]);
  const TinyAILayerSchedulerConfig config = {atoi(argv[3]) != 0, (float)atof(argv[4]),
                                             atoi(argv[5]) != 0, (size_t)atoll(argv[6])};
  TinyAILayerScheduler* layers = tinyaiCreateLayerScheduler(mapped, &config);
  TinyAIExecutionPlan* plan = tinyaiCreateExecutionPlan(layers);
  double best = 1e9;
  uint64_t digest = 0;
  const size_t size = (size_t)atoi(strrchr(argv[2], 'x') + 1);
  const int shape[] = {1, (int)size, (int)size};
  TinyAITensor* tensors[2];
  for (int i = 0; i < 2; i++) tensors[i] = tinyaiCreateTensor(shape, 3, TINYAI_TENSOR_FLOAT32);
  float* const input = tinyaiGetTensorData(tensors[0]);
  for (size_t i = 0; i < size * size; i++) input[i] = (float)(i % 7) - 3;
  const int count = plan != NULL ? tinyaiGetPlanLayerCount(plan) : 0;
  for (int i = 0; i < reps && plan != NULL; i++) {
    const double begin = Seconds();
    for (int layer = 0; layer < count; layer++) {
      Check(tinyaiExecuteLayerWithMemoryOptimization(layers, layer, tensors[0],
                                                     layer == count - 1 ? tensors[1] : NULL),
            "execute");
    }
    const double took = Seconds() - begin;
    if (took < best) best = took;
    digest = Digest(tinyaiGetTensorData(tensors[1]), size * size);
  }
  printf(
      "{\"seconds\": %.6f, \"activations\": %zu, \"disk\": %zu, \"written\": %zu, \"twice\": %.4f, "
      "\"digest\": \"%016llx\"}\n",
      best, tinyaiGetPlanActivationMemory(plan), tinyaiGetPlanDiskSpace(plan),
      tinyaiGetPlanDiskWrites(plan), tinyaiGetPlanRecomputeOverhead(plan),
      (unsigned long long)digest);
  for (int i = 0; i < 2; i++) tinyaiFreeTensor(tensors[i]);
  tinyaiFreeLayerScheduler(layers);
  tinyaiCloseMappedModel(mapped);
}

int main(int argc, char** argv) {
  if (argc == 5 && strcmp(argv[1], "make") == 0) {
    MakeChain(argv[2], atoi(argv[3]), (size_t)atoi(argv[4]));
  } else if (argc == 4 && strcmp(argv[1], "op") == 0) {
    MakeOp(argv[2], argv[3]);
  } else if (argc == 5 && strcmp(argv[1], "unet") == 0) {
    MakeUnet(argv[2], (size_t)atoi(argv[3]), (size_t)atoi(argv[4]));
  } else if (argc == 10 && strcmp(argv[1], "pass") == 0) {
    Pass(argv);
  } else if (argc == 8 && strcmp(argv[1], "layers") == 0) {
    Layers(argv);
  } else {
    fprintf(stderr, "usage: capi_speed make | op | unet | pass | layers ..; see its source\n");
    return 2;
  }
  return 0;
}
