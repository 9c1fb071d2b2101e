#pragma once

/* What every header of this directory starts from. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) || !defined(__GNUC__)
#define TINYAI_API
#else
#define TINYAI_API __attribute__((visibility("default")))
#endif

/* In C any number may stand where an enum is wanted, and is refused by the function that gets it; in
 * C++ that is defined only of an enum with a type. */
#ifdef __cplusplus
#define TINYAI_ENUM_TYPE : int
extern "C" {
#else
#define TINYAI_ENUM_TYPE
#endif

/* A model file that is open: its layers, its cache of weights. See utils/mmap_loader.h. */
typedef struct TinyAIMappedModel TinyAIMappedModel;
/* The same type: where a function says model, it takes what tinyaiOpenMappedModel() returns. */
typedef TinyAIMappedModel TinyAIModel;

/* Memory and cache statistics of a model, a progressive loader or a memory optimizer. What does not
 * apply to the object asked is 0. */
typedef struct {
    size_t current_usage;      /* bytes held now */
    size_t peak_usage;         /* most bytes ever held */
    size_t total_allocated;    /* bytes taken in all, since the object was made */
    size_t memory_budget;      /* the limit; 0 for none */
    size_t allocation_count;   /* buffers taken from the system or layers loaded */
    size_t free_count;         /* buffers given back or layers let go */
    size_t tensor_reuse_count; /* buffers served from ones freed before */
    size_t in_place_count;     /* results written over an operand */
    size_t memory_saved;       /* bytes that reuse did not have to take */
    size_t total_model_size;   /* bytes of the weights of all layers */
    size_t loaded_layers;      /* layers loaded now */
    size_t total_layers;
    size_t loads;           /* layers read from storage */
    size_t hits;            /* accesses that found the layer resident */
    size_t evictions;       /* layers let go to make room */
    size_t prefetches;      /* layers read ahead */
    size_t prefetch_hits;   /* of those, accessed while still there */
    size_t prefetch_wasted; /* of those, let go unused */
    double fragmentation;   /* 0..1: part of the free memory that is not in the largest free piece */
    double average_load_ms; /* of one layer from storage */
} TinyAIMemoryStats;

#ifdef __cplusplus
}
#endif
