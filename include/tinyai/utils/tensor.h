#pragma once

#include <tinyai/detail/common.h>
#include <tinyai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers with a shape, row-major. One thread at a time uses a tensor. */
typedef struct TinyAITensor TinyAITensor;

typedef enum TINYAI_ENUM_TYPE {
    TINYAI_TENSOR_FLOAT32 = 0,
    TINYAI_TENSOR_FLOAT16,
    TINYAI_TENSOR_INT32,
    TINYAI_TENSOR_INT8,
    TINYAI_TENSOR_UINT8
} TinyAITensorDataType;

enum { TINYAI_TENSOR_MAX_DIMS = 8 };

/* Zero-filled, 64-byte aligned. Errors ARG_NULL, ARG_VALUE (a dimension below 1, more than
 * TINYAI_TENSOR_MAX_DIMS or no dimensions, a size that overflows), OUT_OF_MEMORY. */
TINYAI_API TinyAITensor *tinyaiCreateTensor(const int *shape, int num_dims, TinyAITensorDataType dtype);
/* A tensor over the caller's memory, which outlives it; `size` is what lies there in bytes, at least
 * what the shape needs (else ARG_VALUE). */
TINYAI_API TinyAITensor *tinyaiWrapTensor(void *data, size_t size, const int *shape, int num_dims,
                                          TinyAITensorDataType dtype);
/* NULL is allowed. */
TINYAI_API void tinyaiFreeTensor(TinyAITensor *tensor);

/* NULL for NULL. */
TINYAI_API void *tinyaiGetTensorData(TinyAITensor *tensor);
/* The number of dimensions, -1 for NULL; writes the first `capacity` of them to `shape` (which may be NULL
 * if `capacity` is 0). */
TINYAI_API int tinyaiGetTensorShape(const TinyAITensor *tensor, int *shape, int capacity);
/* Bytes; 0 for NULL. */
TINYAI_API size_t tinyaiGetTensorSize(const TinyAITensor *tensor);
/* TINYAI_TENSOR_FLOAT32 for NULL. */
TINYAI_API TinyAITensorDataType tinyaiGetTensorDataType(const TinyAITensor *tensor);
/* Copies the numbers. Both have the same type and as many elements, else ARG_VALUE. */
TINYAI_API bool tinyaiCopyTensor(TinyAITensor *to, const TinyAITensor *from);

#ifdef __cplusplus
}
#endif
