#pragma once

#include <tinyai/utils/mmap_loader.h>

/* Makes a .tmai file of a layer graph from nothing, op by op; docs/tmai.md tells the kinds of op and
 * their attributes. One thread at a time uses a builder. */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct TinyAIModelBuilder TinyAIModelBuilder;

/* `name`: of the model; NULL: none. */
TINYAI_API TinyAIModelBuilder *tinyaiCreateModelBuilder(const char *name);
/* NULL is allowed. */
TINYAI_API void tinyaiFreeModelBuilder(TinyAIModelBuilder *builder);

/* An input of the model: the shape of one sample, outermost first, such as {channels, height, width}.
 * Returns the number of its value; -1: ARG_NULL, ARG_VALUE, GRAPH_OP, GRAPH_SHAPE. */
TINYAI_API int tinyaiBuilderAddInput(TinyAIModelBuilder *builder, const char *name, const size_t *shape,
                                     int num_dims);

/* A weight of `rows` rows of `cols` elements (a vector has one row), in a format such as "F32", "F16" or
 * "Q8_0". `data` lies as in the file, and is read when the model is saved: it outlives the builder.
 * Returns the number of the weight; -1: ARG_NULL, ARG_VALUE, GRAPH_OP. */
TINYAI_API int tinyaiBuilderAddWeight(TinyAIModelBuilder *builder, const char *name, const char *format,
                                      size_t rows, size_t cols, const void *data);
/* Writes `size` bytes of the weight, from `offset` of it on, to `out`; false ends the saving. */
typedef bool (*TinyAIWeightFunction)(void *user_data, uint64_t offset, void *out, size_t size);
/* The same for weights that do not fit in memory: `function` is called while the model is saved. */
TINYAI_API int tinyaiBuilderAddStreamedWeight(TinyAIModelBuilder *builder, const char *name, const char *format,
                                              size_t rows, size_t cols, TinyAIWeightFunction function,
                                              void *user_data);

/* An op of the layer under construction, `kind` such as "matmul". `attributes`: text such as
 * "stride=2,2 epsilon=1e-5" (NULL: none); `operands` are numbers of values, `weights` of weights, each with
 * its count. Returns the number of the value it makes; -1: ARG_NULL, ARG_VALUE, GRAPH_OP, GRAPH_SHAPE. */
TINYAI_API int tinyaiBuilderAddOp(TinyAIModelBuilder *builder, const char *name, const char *kind,
                                  const char *attributes, const int *operands, int num_operands,
                                  const int *weights, int num_weights);
/* Makes a layer of all ops since the last one; its output is what the last of them makes. Returns the
 * layer's number; -1: ARG_NULL, ARG_VALUE, GRAPH_OP. */
TINYAI_API int tinyaiBuilderEndLayer(TinyAIModelBuilder *builder, const char *name, TinyAILayerRole role);

/* Writes the file. What was at `filepath` stays until the new one is whole. False: ARG_NULL, GRAPH_OP,
 * CANCELLED (a weight function returned false), those of writing. */
TINYAI_API bool tinyaiSaveBuiltModel(const TinyAIModelBuilder *builder, const char *filepath);

#ifdef __cplusplus
}
#endif
