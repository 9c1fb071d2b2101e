/* Walks through all layers again and again, with room for half of them: the least recently used one
 * is always the next one wanted, so that rule finds nothing; the adaptive cache learns the order.
 *
 *   adaptive_cache [FILE]    # cache.tmai, made anew
 */
#include "chain.h"

enum { kLayers = 16, kWidth = 256, kPasses = 6 };

/* The share of accesses after the first pass that found the layer in memory. */
static double Walk(const char* path, bool adaptive) {
  TinyAIMmapConfig config = tinyaiCreateDefaultMmapConfig();
  config.maxCacheSize = (size_t)kLayers / 2 * kWidth * kWidth * sizeof(float);
  config.prefetchEnabled = false; /* which would count as found */
  config.adaptiveCaching = adaptive;
  TinyAIMappedModel* model = tinyaiOpenMappedModel(path, &config);
  Check(model != NULL, path);
  TinyAIMemoryStats stats;
  size_t first = 0;
  double sum = 0;
  for (int pass = 0; pass < kPasses; pass++) {
    for (int i = 0; i < tinyaiGetMappedLayerCount(model); i++) {
      const float* weights = (const float*)tinyaiGetLayerWeights(model, i);
      Check(weights != NULL, "weights");
      sum += weights[0];
    }
    Check(tinyaiGetModelStats(model, &stats), "statistics");
    if (pass == 0) first = stats.hits;
  }
  printf("%-20s %3zu hits, %3zu layers read, at most %zu bytes held, %.2f ms a layer\n",
         adaptive ? "adaptive" : "least recently used", stats.hits, stats.loads, stats.peak_usage,
         stats.average_load_ms);
  tinyaiCloseMappedModel(model);
  (void)sum; /* a real program would compute with them */
  return (double)(stats.hits - first) / ((kPasses - 1) * kLayers);
}

int main(int argc, char** argv) {
  const char* path = argc > 1 ? argv[1] : "cache.tmai";
  MakeChain(path, kLayers, kWidth);
  const double plain = Walk(path, false), adaptive = Walk(path, true);
  printf("from the second pass on: %.0f %% found, adaptive %.0f %%\n", 100 * plain, 100 * adaptive);
  return adaptive > plain ? 0 : 1;
}
