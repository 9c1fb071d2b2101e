/* A library of kernels for programs of the scheduling language, which has no sort of its own:
 *     cc -shared -fPIC -O2 sorted.c -o libsorted.so
 *     tinyai compile sorted.value sorted.schedule --run --kernels ./libsorted.so --kernels sorted.comp \
 *         --input "[3 1 2 9 8 7 4 5 6]" */
#include <stdlib.h>
#include <string.h>
#include <tinyai/kernels.h>

/* Numbers from the least to the most; what is no number comes last. */
static int Compare(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    if (x != x || y != y) return (x != x) - (y != y);
    return (x > y) - (x < y);
}

static int Sorted(const TinyAIKernelTensor *inputs, size_t input_count, const TinyAIKernelTensor *outputs,
                  size_t output_count, void *user) {
    (void)input_count, (void)output_count, (void)user; /* the table's type says how many there are */
    memcpy(outputs[0].data, inputs[0].data, inputs[0].bytes);
    qsort(outputs[0].data, outputs[0].elements, sizeof(float), Compare);
    return 0;
}

static const TinyAIKernel kernels[] = {{"sorted", "(f32[n]) -> f32[n]", Sorted, NULL}};

const TinyAIKernelTable tinyaiKernels = {TINYAI_KERNELS_VERSION, 1, kernels};
