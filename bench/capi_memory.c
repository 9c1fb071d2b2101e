/* The part of capi_memory.py that uses the library; prints one JSON object.
 *
 *   make FILE LAYERS WIDTH            writes a chain of dense layers of float32
 *   walk FILE CACHE_BYTES SMALL       opens SMALL, so that the library's own code is in memory,
 * then FILE, and reads all bytes of all its layers once cycle FILE CACHE_BYTES ADAPTIVE   four
 * passes over all layers, without reading ahead
 */
#include <string.h>

#include "chain.h"

/* A number of kB of /proc/self/status in bytes. */
static long long Status(const char* key) {
  FILE* file = fopen("/proc/self/status", "r");
  Check(file != NULL, "/proc/self/status");
  char line[256];
  long long kilobytes = -1;
  while (kilobytes < 0 && fgets(line, sizeof line, file)) {
    if (strncmp(line, key, strlen(key)) == 0) kilobytes = atoll(line + strlen(key));
  }
  fclose(file);
  return kilobytes * 1024;
}

/* The most that was ever resident begins anew at what is resident now. */
static long long BeginPeak(void) {
  FILE* file = fopen("/proc/self/clear_refs", "w");
  Check(file != NULL && fputs("5", file) >= 0, "/proc/self/clear_refs");
  fclose(file);
  return Status("VmHWM:");
}

static TinyAIMappedModel* Open(const char* path, const TinyAIMmapConfig* config) {
  TinyAIMappedModel* model = tinyaiOpenMappedModel(path, config);
  Check(model != NULL, path);
  return model;
}

static void Walk(const char* path, const TinyAIMmapConfig* config, const char* small) {
  tinyaiCloseMappedModel(Open(small, config));
  long long before = BeginPeak();
  TinyAIMappedModel* model = Open(path, config);
  const long long opening = Status("VmHWM:") - before;
  const int layers = tinyaiGetMappedLayerCount(model);
  before = BeginPeak();
  size_t bytes = 0, most = 0;
  uint64_t sum = 0;
  for (int i = 0; i < layers; i++) {
    const size_t size = tinyaiGetLayerDescriptor(model, i)->size;
    const uint64_t* words = (const uint64_t*)tinyaiGetLayerWeights(model, i);
    Check(words != NULL, "weights");
    for (size_t k = 0; k < size / sizeof *words; k++) sum += words[k];
    bytes += size;
    if (tinyaiGetMappedModelMemoryUsage(model) > most)
      most = tinyaiGetMappedModelMemoryUsage(model);
  }
  printf(
      "{\"layers\": %d, \"bytes\": %zu, \"opening\": %lld, \"walking\": %lld, \"usage\": %zu, "
      "\"sum\": %llu}\n",
      layers, bytes, opening, Status("VmHWM:") - before, most, (unsigned long long)sum);
  tinyaiCloseMappedModel(model);
}

static void Cycle(const char* path, const TinyAIMmapConfig* config) {
  enum { kPasses = 4 };
  TinyAIMappedModel* model = Open(path, config);
  const int layers = tinyaiGetMappedLayerCount(model);
  TinyAIMemoryStats stats;
  size_t before = 0;
  printf("{\"layers\": %d, \"hit_rates\": [", layers);
  for (int pass = 0; pass < kPasses; pass++) {
    for (int i = 0; i < layers; i++) Check(tinyaiGetLayerWeights(model, i) != NULL, "weights");
    Check(tinyaiGetModelStats(model, &stats), "statistics");
    printf("%s%.4f", pass > 0 ? ", " : "", (double)(stats.hits - before) / layers);
    before = stats.hits;
  }
  printf("], \"peak\": %zu}\n", stats.peak_usage);
  tinyaiCloseMappedModel(model);
}

int main(int argc, char** argv) {
  const char* verb = argc > 1 ? argv[1] : "";
  TinyAIMmapConfig config = tinyaiCreateDefaultMmapConfig();
  if (argc > 3) config.maxCacheSize = (size_t)atoll(argv[3]);
  if (argc == 5 && strcmp(verb, "make") == 0) {
    MakeChain(argv[2], atoi(argv[3]), (size_t)atoi(argv[4]));
  } else if (argc == 5 && strcmp(verb, "walk") == 0) {
    Walk(argv[2], &config, argv[4]);
  } else if (argc == 5 && strcmp(verb, "cycle") == 0) {
    config.adaptiveCaching = atoi(argv[4]) != 0;
    config.prefetchEnabled = false;
    Cycle(argv[2], &config);
  } else {
    fprintf(stderr, "usage: capi_memory make | walk | cycle ..; see its source\n");
    return 2;
  }
  return 0;
}
