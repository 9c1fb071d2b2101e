#pragma once

#include <tinyai/utils/prune.h>
#include <tinyai/utils/quantize_mixed.h>

/* What fewer bits and zeros cost, layer by layer: where they can be afforded, and where not. */

#ifdef __cplusplus
extern "C" {
#endif

/* What changes if one layer's weights alone are in another form. An error is the root mean square of the
 * change over that of what there was: 0 is no change, 0.01 one per cent. */
typedef struct {
    int layer;
    size_t bytes;       /* of its weights in that form */
    double layer_error; /* of the layer's result */
    double model_error; /* of the model's results; of a text model of the last token's logits */
} TinyAILayerError;

/* Each returns the number of layers that the form changes, and writes the first `capacity` of them to `out`
 * (NULL if `capacity` is 0), by layer. `input` is what tinyaiExecuteNextLayer() takes: of a text model a
 * text that ends with NUL, else float32 of one sample of all inputs; NULL: the empty text, zeros. The model is
 * executed twice for each of these layers, in its least memory; what is in force stays as it is. -1:
 * ARG_NULL, ARG_VALUE, NO_PROMPT, CONTEXT_FULL, PRECISION_UNSUPPORTED, GRAPH_OP, BUDGET_INFEASIBLE, those of
 * reading and writing. */

/* Of what mixed precision and pruning have made. */
TINYAI_API int tinyaiMeasureLayerErrors(const TinyAIModel *model, const void *input, TinyAILayerError *out,
                                        int capacity);
/* Of this precision in every layer. */
TINYAI_API int tinyaiMeasurePrecisionErrors(const TinyAIModel *model, TinyAIPrecision precision,
                                            const void *input, TinyAILayerError *out, int capacity);
/* Of this pruning, on the file's own weights. */
TINYAI_API int tinyaiMeasurePruningErrors(const TinyAIModel *model, const TinyAIPruneConfig *config,
                                          const void *input, TinyAILayerError *out, int capacity);

#ifdef __cplusplus
}
#endif
