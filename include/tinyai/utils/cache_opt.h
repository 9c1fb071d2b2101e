#pragma once

#include <tinyai/detail/common.h>
#include <tinyai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int block_size;        /* rows of weights, and of what they are multiplied with, per tile; 0: automatically */
    int cache_line_size;   /* bytes, a power of two from 16 to 1024; 0: as detected */
    bool enable_prefetch;  /* of the processor, in kernels */
    int prefetch_distance; /* in cache lines ahead of the tile in use; 0: as much as a tile has */
} TinyAICacheConfig;

typedef struct {
    double hit_rate;       /* of the cache of weights, 0..1; 0 before any access */
    uint64_t hits;         /* accesses that found the layer resident */
    uint64_t misses;       /* accesses that had to wait for storage */
    uint64_t evictions;    /* layers let go to make room */
    uint64_t bytes_loaded; /* from storage */
    bool hardware_available; /* whether the system let the processor count the next three, since the model was
                              * opened, of the thread that opened it and of all started from it since */
    uint64_t l1_misses;
    uint64_t llc_references;
    uint64_t llc_misses;
    size_t cache_line_size; /* of this machine; 0: unknown */
    size_t l1_size, l2_size, l3_size;
} TinyAICacheStats;

/* How matrix products go through weights and inputs, from the next time on that a scheduler is prepared:
 * in tiles of block_size rows of the matrix, up to a multiple of the rows that the kernels take side by side
 * (8 to 32), and block_size rows of the input, of those at most 128; and how far ahead of a tile its weights
 * are asked for. Results have the same bits. NULL: automatically. Convolutions, and one row of input times
 * weights of floats, choose their own. False, and nothing changed: ARG_NULL, CONFIG. */
TINYAI_API bool tinyaiConfigureCacheOptimization(TinyAIModel *model, const TinyAICacheConfig *config);
/* What is in force, with zeros replaced by what was chosen. */
TINYAI_API bool tinyaiGetCacheConfiguration(const TinyAIModel *model, TinyAICacheConfig *out);
/* All zero for NULL. */
TINYAI_API TinyAICacheStats tinyaiGetCacheStats(const TinyAIModel *model);
/* Has the weights lie as the kernels read them. They do in every format that this version runs, so there
 * is nothing to do. False: ARG_NULL. */
TINYAI_API bool tinyaiOptimizeMemoryLayout(TinyAIModel *model);

#ifdef __cplusplus
}
#endif
