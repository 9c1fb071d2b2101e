#pragma once

#include <tinyai/utils/mmap_loader.h>

/* Weights in fewer bits, by what their layers are for. */

#ifdef __cplusplus
extern "C" {
#endif

typedef enum TINYAI_ENUM_TYPE {
    TINYAI_PREC_KEEP = 0, /* as in the file */
    TINYAI_PREC_FP32,
    TINYAI_PREC_FP16,
    TINYAI_PREC_BF16,
    TINYAI_PREC_INT8, /* groups of 32 with a scale of 16 bits: 8.5 bits each */
    TINYAI_PREC_INT4, /* the same: 4.5 bits each */
    TINYAI_PREC_INT2  /* the same: 2.5 bits each */
} TinyAIPrecision;

/* By the role of a layer. */
typedef struct {
    TinyAIPrecision embeddingPrecision;
    TinyAIPrecision attentionPrecision;
    TinyAIPrecision ffnPrecision;
    TinyAIPrecision outputPrecision;
    TinyAIPrecision normPrecision;
    TinyAIPrecision convPrecision;
    TinyAIPrecision otherPrecision;
} TinyAIMixedPrecisionConfig;

/* Everything TINYAI_PREC_KEEP. */
TINYAI_API void tinyaiInitMixedPrecisionConfig(TinyAIMixedPrecisionConfig *config);

/* Has the weight matrices of each layer in the precision of its role, made from the file's own weights
 * whatever was applied before; vectors stay as they are, and a matrix whose rows are no multiple of 32
 * becomes FP16 instead of INT8, INT4 or INT2. The file is not touched: the new weights go to a temporary file
 * without a name ($TMPDIR, else /var/tmp), a few rows at a time, and schedulers use them when they are
 * prepared next. No weight is farther from its own value than m/254 (INT8), m/14 (INT4) or m/3 (INT2) and,
 * for the rounding of the scale, m/2048, where m is the largest magnitude of its group. False, and nothing
 * changed: ARG_NULL, ARG_VALUE, GRAPH_OP (the file does not say what its layers are for), those of reading
 * and writing. */
TINYAI_API bool tinyaiApplyMixedPrecision(TinyAIModel *model, const TinyAIMixedPrecisionConfig *config);

#ifdef __cplusplus
}
#endif
