#pragma once

#include <tinyai/detail/common.h>
#include <tinyai/detail/layer_priority.h>
#include <tinyai/error.h>

/* Models whose weights are read on demand. docs/api/mmap_loader.md explains with examples.
 *
 * Functions on a model may be called from any thread at any time, but not after tinyaiCloseMappedModel()
 * of it. Where a pointer must not be NULL and is, the error is ARG_NULL; a layer that the model does not
 * have is ARG_INDEX. */

#ifdef __cplusplus
extern "C" {
#endif

/* A live view: fields change while other threads use the model, each by itself. tinyaiGetLayerSnapshot()
 * gives a consistent copy. */
typedef struct {
    size_t offset;           /* of the layer's bytes in the file */
    size_t size;             /* bytes of what tinyaiGetLayerWeights() returns; 0: no weights */
    int layerIndex;          /* its own position */
    int precision;           /* bits of the layer's main weight tensor */
    void *cachedWeights;     /* what tinyaiGetLayerWeights() returns, while the layer is in the cache */
    bool isActive;           /* loaded: from Get or prefetch to release or eviction */
    float priority;          /* for the cache; 1 unless set */
    uint64_t lastAccessed;   /* milliseconds of a monotonic clock; 0: never */
    uint64_t accessCount;    /* calls of Get, and executions of the layer */
} TinyAILayerDescriptor;

typedef struct {
    size_t maxCacheSize;      /* most bytes of weights resident, read ahead ones included; hard */
    bool prefetchEnabled;     /* read ahead what is likely to be asked for next */
    int prefetchThreads;      /* threads that do; 0: only advice to the system */
    bool adaptiveCaching;     /* the cache learns the order of access; false: least recently used */
    size_t minLayerCacheSize; /* what a cached layer counts at least */
} TinyAIMmapConfig;

/* What a layer does, as its file says. */
typedef enum TINYAI_ENUM_TYPE {
    TINYAI_LAYER_ROLE_OTHER = 0,
    TINYAI_LAYER_ROLE_EMBEDDING,
    TINYAI_LAYER_ROLE_ATTENTION,
    TINYAI_LAYER_ROLE_FFN,
    TINYAI_LAYER_ROLE_OUTPUT,
    TINYAI_LAYER_ROLE_NORM,
    TINYAI_LAYER_ROLE_CONV
} TinyAILayerRole;

/* 256 MB, prefetch with one thread, adaptive, 4 KB. */
TINYAI_API TinyAIMmapConfig tinyaiCreateDefaultMmapConfig(void);

/* Reads the header of a model file, no weights; `config` (copied; NULL: the defaults) says how the
 * weights will be cached. NULL on failure: the errors of docs/errors.md for files, CONFIG. The file
 * may be renamed or deleted while it is open, but not changed. */
TINYAI_API TinyAIMappedModel *tinyaiOpenMappedModel(const char *filepath, const TinyAIMmapConfig *config);
/* NULL is allowed. What was made from the model stays usable; memory and mapping go with the last of
 * it. The pointers of tinyaiGetLayerWeights() and tinyaiGetLayerDescriptor() end here. */
TINYAI_API void tinyaiCloseMappedModel(TinyAIMappedModel *model);

/* -1 for NULL. */
TINYAI_API int tinyaiGetMappedLayerCount(const TinyAIMappedModel *model);
/* The same address every time, until the model is closed. NULL for a bad index. */
TINYAI_API const TinyAILayerDescriptor *tinyaiGetLayerDescriptor(const TinyAIMappedModel *model, int layerIndex);

/* The layer's weights, 64-byte aligned, read-only, resident on return. The address and what is there stay
 * right until the model is closed; eviction and release take only the memory, and reading there again
 * brings it back outside of the limit. A layer that the cache has no room for is served all the same.
 * A layer without weights gives a pointer that must not be read. Where the file has checksums, those of
 * the layer are compared when it is first read. NULL on failure: IO_READ, MODEL_CHANGED, TMAI_CHECKSUM. */
TINYAI_API void *tinyaiGetLayerWeights(TinyAIMappedModel *model, int layerIndex);
/* True if the layer is resident, being read or queued. Does not wait where there are threads. Lets go
 * of other layers of at most the same priority only, and of none in use: otherwise CACHE_FULL. */
TINYAI_API bool tinyaiPrefetchLayerWeights(TinyAIMappedModel *model, int layerIndex);
/* Gives the layer's memory back, at once, or when the execution that uses it ends. A read ahead of it is
 * cancelled. */
TINYAI_API void tinyaiReleaseLayerWeights(TinyAIMappedModel *model, int layerIndex);

/* Bytes that the layers in the cache count; at any moment at most maxCacheSize. 0 for NULL. */
TINYAI_API size_t tinyaiGetMappedModelMemoryUsage(const TinyAIMappedModel *model);
/* All priorities are 1 again. tinyaiSetLayerPriority() is in tinyai/detail/layer_priority.h. */
TINYAI_API void tinyaiResetLayerPriorities(TinyAIMappedModel *model);

/* ---- beyond the four API pages ---- */

/* A copy of the descriptor whose fields belong together. */
TINYAI_API bool tinyaiGetLayerSnapshot(const TinyAIMappedModel *model, int layerIndex, TinyAILayerDescriptor *out);
/* "ffn.2"; valid until the model is closed. NULL for a bad index. */
TINYAI_API const char *tinyaiGetLayerName(const TinyAIMappedModel *model, int layerIndex);
TINYAI_API TinyAILayerRole tinyaiGetLayerRole(const TinyAIMappedModel *model, int layerIndex);
/* The exact format of the layer's main weight tensor: "F32", "BF16", "Q4_0"; "" without weights. A fixed
 * text. NULL for a bad index. */
TINYAI_API const char *tinyaiGetLayerFormat(const TinyAIMappedModel *model, int layerIndex);
/* Whether it is a text model, which sessions continue texts with; else a layer graph. False: ARG_NULL. */
TINYAI_API bool tinyaiIsTextModel(const TinyAIMappedModel *model);
/* Writes the model as a .tmai file, with what mixed precision and pruning have made of its weights; opened,
 * it computes the same bits, takes the same memory and needs no other file. Holds a piece of a weight at a
 * time. What the model was opened from may have been moved or deleted, a folder excepted. A file that is
 * there is replaced once the new one is whole; one that the model is read from is refused. False: ARG_NULL,
 * MODEL_CHANGED (there is another model by now where this one was opened), OUTPUT_IS_INPUT, OUTPUT_TARGET,
 * IO_WRITE, those of reading. */
TINYAI_API bool tinyaiSaveModel(TinyAIMappedModel *model, const char *filepath);
TINYAI_API bool tinyaiGetModelStats(const TinyAIMappedModel *model, TinyAIMemoryStats *out);

#ifdef __cplusplus
}
#endif
