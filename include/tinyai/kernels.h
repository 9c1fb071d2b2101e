#pragma once

#include <tinyai/detail/common.h>

/* Kernels of your own for programs of the scheduling language (docs/language.md, "Kernels of your
 * own"). A shared library has a table of them, and `tinyai compile --run --kernels FILE` makes them
 * known: what a program declares as `extern` calls a kernel of the table by its name, and nothing
 * else of the library. */

#ifdef __cplusplus
extern "C" {
#endif

typedef enum TINYAI_ENUM_TYPE {
  TINYAI_KERNEL_BOOL = 0, /* a byte, 0 or 1 */
  TINYAI_KERNEL_I32 = 1,
  TINYAI_KERNEL_I64 = 2,
  TINYAI_KERNEL_F16 = 3,
  TINYAI_KERNEL_BF16 = 4,
  TINYAI_KERNEL_F32 = 5,
  TINYAI_KERNEL_F64 = 6,
  TINYAI_KERNEL_Q8 = 7, /* GGUF's Q8_0: 34 bytes for 32 elements */
  TINYAI_KERNEL_Q4 = 8  /* GGUF's Q4_0: 18 bytes */
} TinyAIKernelScalar;

/* A tensor of the program, row-major. All of it is valid during the call only. */
typedef struct {
  TinyAIKernelScalar scalar;
  uint32_t rank;        /* 0: a single number */
  const uint64_t *dims; /* rank of them, outermost first */
  uint64_t elements;    /* 1 for a single number */
  uint64_t bytes;
  void *data; /* of an input only to be read; aligned as its elements are */
} TinyAIKernelTensor;

/* Computes all elements of the outputs from the inputs; no output overlaps anything. It is a function of its
 * inputs and nothing else, and has a result for all numbers: it may be called again with the same inputs, by
 * several threads at once, on whatever place, and in an arm of a conditional that is not taken. It comes
 * back. Returns 0, or, if it could not be carried out at all, a number of its own, which ends the program. */
typedef int (*TinyAIKernelFunction)(const TinyAIKernelTensor *inputs, size_t input_count,
                                    const TinyAIKernelTensor *outputs, size_t output_count,
                                    void *user);

typedef struct {
  const char *name; /* as in the program's declaration: CPU: "name"; */
  /* What it takes and gives, as in a declaration without names: "(f32[n, 4], f32) -> f32[n]". A
   * name that occurs twice is one size. What a program declares otherwise is refused before it
   * runs. NULL: any. */
  const char *type;
  TinyAIKernelFunction function;
  void *user; /* for the function */
} TinyAIKernel;

typedef struct {
  uint32_t version; /* TINYAI_KERNELS_VERSION */
  uint32_t count;
  const TinyAIKernel *kernels;
} TinyAIKernelTable;

#define TINYAI_KERNELS_VERSION 1

/* What a library of kernels defines. Does not change once the library is loaded. */
TINYAI_API extern const TinyAIKernelTable tinyaiKernels;

#ifdef __cplusplus
}
#endif
