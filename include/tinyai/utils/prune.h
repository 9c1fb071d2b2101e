#pragma once

#include <stdint.h>
#include <tinyai/utils/mmap_loader.h>

/* Weights that become zero. */

#ifdef __cplusplus
extern "C" {
#endif

#define TINYAI_PRUNE_MAX_LAYERS 1024

/* What goes, of each matrix: the blocks of blockSize rows and columns whose root mean square is smallest,
 * one after the other until the fraction `sparsity` of all its weights is zero. */
typedef enum TINYAI_ENUM_TYPE {
    TINYAI_PRUNE_MAGNITUDE = 0, /* of equal ones the first, by rows */
    TINYAI_PRUNE_THRESHOLD,     /* the same, and all that equal the largest that goes */
    TINYAI_PRUNE_STRUCTURED,    /* whole rows instead, blockSize at a time */
    TINYAI_PRUNE_RANDOM         /* by chance: tinyaiSetPruningSeed */
} TinyAIPruneMethod;

typedef struct {
    TinyAIPruneMethod method;
    float sparsity; /* 0 to 1 */
    int blockSize;  /* 0 and 1: single weights; blocks at the borders are smaller */
    /* 0 to 1, or -1 for `sparsity`, which layers beyond the array have too. Embeddings, output layers and
     * norms, and in other layers biases and norms, are pruned only where their layer has a value here. */
    float layerSparsity[TINYAI_PRUNE_MAX_LAYERS];
} TinyAIPruneConfig;

/* MAGNITUDE, 0.5, single weights, every layer -1. */
TINYAI_API void tinyaiInitPruneConfig(TinyAIPruneConfig *config);

/* Has weights pruned, chosen by the file's own weights whatever was applied before; sparsity 0 takes it
 * back. The matrices of dense layers and convolutions are stored without their zeros where that is
 * smaller, and unpacked 256 columns at a time when they are used: tinyaiGetLayerWeights then gives rows
 * of one length that are, for each 256 weights, a uint32_t, where in the row they begin; and for each 32
 * weights a uint32_t with a bit for each that is there, the scale of INT8, INT4 and INT2, and the weights
 * that are there. Mixed precision and pruning leave each other in force, in any order: what is left of the
 * weights is stored in the layer's precision. The file is not touched: the weights go to a temporary file
 * without a name, and schedulers use them when they are prepared next. Q4_1, Q5_1 and the K types of a
 * file have no zero: such layers need another precision first. False, and nothing changed: ARG_NULL,
 * ARG_VALUE, PRECISION_UNSUPPORTED, GRAPH_OP (the file does not say what its layers are for), those of
 * reading and writing. */
TINYAI_API bool tinyaiPruneModel(TinyAIModel *model, const TinyAIPruneConfig *config);

/* The seed of TINYAI_PRUNE_RANDOM for this model, at first 0: the same weights go for the same seed. */
TINYAI_API bool tinyaiSetPruningSeed(TinyAIModel *model, uint64_t seed);

/* Bytes that the layers take less than the same weights not pruned, in the same precision, what tells
 * where zeros are included. 0 with an error: ARG_NULL. */
TINYAI_API size_t tinyaiCalculatePruningSavings(TinyAIModel *model);

#ifdef __cplusplus
}
#endif
