#pragma once

#include <tinyai/detail/common.h>

/* tinyaiSetLayerPriority() has two meanings, by the type of its first argument: a model (the symbol of
 * this name) or a progressive loader (the symbol tinyaiSetProgressiveLayerPriority). C11 chooses with
 * _Generic, C++ with an overload; C99 has the first only. (tinyaiSetLayerPriority)(...) in parentheses
 * and &tinyaiSetLayerPriority always name the first. */

typedef struct TinyAIProgressiveLoader TinyAIProgressiveLoader;

#ifdef __cplusplus
extern "C" {
#endif

/* Among the layers that may be let go, the cache always lets go of the one with the lowest priority.
 * The default is 1; any finite value will do. Bad arguments (ARG_NULL, ARG_INDEX, ARG_VALUE for NaN or
 * infinity) change nothing. */
TINYAI_API void tinyaiSetLayerPriority(TinyAIMappedModel *model, int layerIndex, float priority);
/* The same for the model that the loader serves; n is the same priority as (float)n. */
TINYAI_API void tinyaiSetProgressiveLayerPriority(TinyAIProgressiveLoader *loader, int layer_index, int priority);

#ifdef __cplusplus
}
extern "C++" {
inline void tinyaiSetLayerPriority(TinyAIProgressiveLoader *loader, int layer_index, int priority) {
    tinyaiSetProgressiveLayerPriority(loader, layer_index, priority);
}
}
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define tinyaiSetLayerPriority(target, layer_index, priority)                           \
    _Generic((target), TinyAIProgressiveLoader *: tinyaiSetProgressiveLayerPriority, \
             default: tinyaiSetLayerPriority)((target), (layer_index), (priority))
#endif
