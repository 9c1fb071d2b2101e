#pragma once

/* What these programs share: a chain of dense layers, written as a .tmai file of any size. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <tinyai/tinyai.h>

/* Ends the program with the library's last error unless `good`. */
static inline void Check(bool good, const char* what) {
  if (good) return;
  fprintf(stderr, "%s: %s: %s\n", what, tinyaiGetLastErrorKey(), tinyaiGetErrorMessage());
  exit(1);
}

/* Weights are asked for piece by piece while the file is written, so they never have to be in
 * memory together. These are noise, the same however they are asked for. */
static inline bool Noise(void* user_data, uint64_t offset, void* out, size_t size) {
  const float scale = *(const float*)user_data;
  float* to = (float*)out;
  for (size_t i = 0; i < size / sizeof *to; i++) {
    uint32_t x = (uint32_t)(offset / sizeof *to + i) * 2654435761u;
    x = (x ^ x >> 15) * 2246822519u;
    to[i] = ((float)((x ^ x >> 13) >> 8) / 8388608.0f - 1.0f) * scale;
  }
  return true;
}

/* A layer of a dense op and an activation under construction; returns what it makes. The builder
 * keeps the pointer `scale` until the model is saved. */
static inline int AddDense(TinyAIModelBuilder* builder, const char* name, int operand, size_t width,
                           float* scale) {
  const int weight =
      tinyaiBuilderAddStreamedWeight(builder, name, "F32", width, width, Noise, scale);
  Check(weight >= 0, name);
  const int sum = tinyaiBuilderAddOp(builder, name, "dense", NULL, &operand, 1, &weight, 1);
  Check(sum >= 0, name);
  char act[64];
  snprintf(act, sizeof act, "%s.act", name);
  const int value =
      tinyaiBuilderAddOp(builder, act, "activation", "function=tanh", &sum, 1, NULL, 0);
  Check(value >= 0, act);
  return value;
}

/* `layers` layers from `width` to `width` numbers: 4 x width x width bytes each. */
static inline void MakeChain(const char* path, int layers, size_t width) {
  TinyAIModelBuilder* builder = tinyaiCreateModelBuilder("chain");
  float scale = 2.0f / 32;
  int value = tinyaiBuilderAddInput(builder, "x", &width, 1);
  Check(value >= 0, "input");
  for (int i = 0; i < layers; i++) {
    char name[32];
    snprintf(name, sizeof name, "dense.%d", i);
    value = AddDense(builder, name, value, width, &scale);
    Check(tinyaiBuilderEndLayer(builder, name, TINYAI_LAYER_ROLE_FFN) >= 0, name);
  }
  Check(tinyaiSaveBuiltModel(builder, path), path);
  tinyaiFreeModelBuilder(builder);
}

/* Every layer reads the one before it. */
static inline void ScheduleChain(TinyAIForwardScheduler* scheduler, int layers) {
  for (int i = 0; i < layers; i++) {
    Check(tinyaiAddLayerToSchedule(scheduler, i, i - 1,
                                   i > 0 ? TINYAI_DEP_SEQUENTIAL : TINYAI_DEP_NONE, 0),
          "schedule");
  }
}
