#pragma once

#include <tinyai/detail/common.h>
#include <tinyai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum TINYAI_ENUM_TYPE {
    TINYAI_SIMD_OP_MATRIX_MUL,
    TINYAI_SIMD_OP_CONV,
    TINYAI_SIMD_OP_ACTIVATION,
    TINYAI_SIMD_OP_ATTENTION
} TinyAISIMDOpType;

/* What the processor and the operating system both support, found at run time. */
typedef struct {
    bool sse2, ssse3, sse41, sse42, avx, avx2, fma, f16c;
    bool avx512, avx512bw, avx512vnni, avx512bf16, amx_int8;
    bool neon, dotprod, sve;
    int vector_bits; /* of the widest vectors this library uses here */
    int max_level;   /* the highest level that tinyaiSetSIMDOptimizationLevel() really gives here */
} TinyAISIMDCapabilities;

TINYAI_API TinyAISIMDCapabilities tinyaiGetSIMDCapabilities(void);

/* Whether this model computes that kind of operation with vector instructions (it does, until told
 * otherwise) from the next execution on. It is decided layer by layer: a layer that holds an operation of
 * a kind that is switched off is computed at level 0 as a whole. False: ARG_NULL, ARG_VALUE for another
 * kind, ISA_UNSUPPORTED (to be switched on where there is nothing but level 0). */
TINYAI_API bool tinyaiEnableSIMD(TinyAIModel *model, TinyAISIMDOpType op_type, bool enable);

/* 0: plain code whose results are the same bits on every machine; 1: 128-bit vectors; 2: 256-bit with FMA;
 * 3: all there is (the default). Other numbers are taken as the nearest, and a level that this machine
 * lacks as the next lower one. From the next execution on. Layers of models with different levels are
 * executed one at a time. */
TINYAI_API void tinyaiSetSIMDOptimizationLevel(TinyAIModel *model, int level);
/* The level in force; -1 for NULL. */
TINYAI_API int tinyaiGetSIMDOptimizationLevel(const TinyAIModel *model);

#ifdef __cplusplus
}
#endif
