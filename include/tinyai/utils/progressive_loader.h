#pragma once

#include <tinyai/detail/common.h>
#include <tinyai/detail/layer_priority.h>
#include <tinyai/error.h>

/* Layers loaded and unloaded one by one, within a limit of their own. A loader is used by one thread at
 * a time; several loaders of one model may be used at once. */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    bool enable_prefetch;        /* read the next layers ahead */
    int prefetch_window;         /* how many; 0 or less: none */
    bool enable_adaptive_window; /* the window grows to 4 times that and shrinks to 0, as it proves useful */
    size_t max_memory_usage;     /* bytes of layers loaded by this loader; 0: the model's limit alone */
} TinyAIProgressiveLoaderConfig;

typedef enum TINYAI_ENUM_TYPE {
    TINYAI_LAYER_STATUS_UNLOADED = 0,
    TINYAI_LAYER_STATUS_LOADING,
    TINYAI_LAYER_STATUS_LOADED,
    TINYAI_LAYER_STATUS_PREFETCHING,
    TINYAI_LAYER_STATUS_UNLOADING,
    TINYAI_LAYER_STATUS_ERROR /* no such layer, or reading it failed */
} TinyAILayerStatus;

/* NULL: prefetch of 2 layers, adaptive, no limit of its own. The loader serves the model that was opened
 * last and is still open when a layer is first asked for, unless it is attached to one. */
TINYAI_API TinyAIProgressiveLoader *tinyaiCreateProgressiveLoader(const TinyAIProgressiveLoaderConfig *config);
/* NULL is allowed. What it read stays in the model's cache, no longer held. */
TINYAI_API void tinyaiFreeProgressiveLoader(TinyAIProgressiveLoader *loader);

/* Resident on return, and held until it is unloaded or the loader makes room for another. False:
 * ARG_INDEX, NO_MODEL, LAYER_TOO_LARGE, CACHE_FULL, the errors of reading. */
TINYAI_API bool tinyaiLoadLayer(TinyAIProgressiveLoader *loader, int layer_index);
/* Not resident afterwards. False: ARG_INDEX, NO_MODEL, LAYER_IN_USE. */
TINYAI_API bool tinyaiUnloadLayer(TinyAIProgressiveLoader *loader, int layer_index);
TINYAI_API TinyAILayerStatus tinyaiGetLayerStatus(const TinyAIProgressiveLoader *loader, int layer_index);
/* tinyaiSetLayerPriority() is in tinyai/detail/layer_priority.h. */
TINYAI_API TinyAIMemoryStats tinyaiGetProgressiveLoaderStats(const TinyAIProgressiveLoader *loader);

/* ---- beyond the four API pages ---- */

/* Binds the loader to this model, once and before its first use; else LOADER_BOUND. */
TINYAI_API bool tinyaiAttachProgressiveLoader(TinyAIProgressiveLoader *loader, TinyAIMappedModel *model);
/* Layers that are read ahead now; -1 for NULL. */
TINYAI_API int tinyaiGetPrefetchWindow(const TinyAIProgressiveLoader *loader);

#ifdef __cplusplus
}
#endif
