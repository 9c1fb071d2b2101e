/* Writes the models that the usage examples of the API pages open, with the builder, to the current
 * directory: all but the text model. docs/api/ tells what each is. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tinyai/tinyai.h>

typedef struct {
    uint32_t seed;
    float scale;
} Noise;

/* Element i of the weight is the same however it is asked for. */
static bool noise(void *user_data, uint64_t offset, void *out, size_t size) {
    const Noise *from = user_data;
    float *to = out;
    for (size_t i = 0; i < size / 4; i++) {
        uint32_t x = (uint32_t)(offset / 4 + i) * 2654435761u ^ from->seed * 0x9E3779B9u;
        x ^= x >> 15;
        x *= 2246822519u;
        x ^= x >> 13;
        to[i] = ((float)(x >> 8) / 8388608.0f - 1.0f) * from->scale;
    }
    return true;
}

static TinyAIModelBuilder *builder;
static Noise noises[256];
static int noise_count;

static int fail(const char *what) {
    fprintf(stderr, "%s: %s: %s\n", what, tinyaiGetLastErrorKey(), tinyaiGetErrorMessage());
    exit(1);
}

static int weight(const char *name, int rows, int cols) {
    Noise *from = &noises[noise_count];
    from->seed = (uint32_t)++noise_count;
    from->scale = 1.7f / sqrtf((float)cols);
    int id = tinyaiBuilderAddStreamedWeight(builder, name, "F32", (size_t)rows, (size_t)cols, noise, from);
    return id >= 0 ? id : fail(name);
}

static int op(const char *name, const char *kind, const char *attributes, const int *values, int value_count,
              const int *weights, int weight_count) {
    int value = tinyaiBuilderAddOp(builder, name, kind, attributes, values, value_count, weights, weight_count);
    return value >= 0 ? value : fail(name);
}

static void end(const char *name, TinyAILayerRole role) {
    if (tinyaiBuilderEndLayer(builder, name, role) < 0) fail(name);
}

static int dense_op(const char *name, int from, int rows, int cols) {
    int matrix = weight(name, rows, cols);
    return op(name, "dense", NULL, &from, 1, &matrix, 1);
}

static int dense(const char *name, TinyAILayerRole role, int from, int rows, int cols) {
    int value = dense_op(name, from, rows, cols);
    end(name, role);
    return value;
}

static int begin(size_t rows, size_t cols) {
    const size_t shape[2] = {rows, cols};
    builder = tinyaiCreateModelBuilder("example");
    noise_count = 0;
    int value = builder ? tinyaiBuilderAddInput(builder, "x", rows > 1 ? shape : shape + 1, rows > 1 ? 2 : 1) : -1;
    return value >= 0 ? value : fail("input");
}

static void save(const char *path) {
    if (!tinyaiSaveBuiltModel(builder, path)) fail(path);
    tinyaiFreeModelBuilder(builder);
}

static void chain(const char *path, int layers, int width) {
    int x = begin(1, (size_t)width);
    for (int i = 0; i < layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "dense.%d", i);
        x = dense(name, TINYAI_LAYER_ROLE_FFN, x, width, width);
    }
    save(path);
}

/* 0 -> 1 -> 2, 0 -> 3, 2 and 3 -> 4; without `longer` 0 -> 1, 0 -> 2, 1 and 2 -> 3. */
static void residual(const char *path, bool longer) {
    const int x0 = dense("first", TINYAI_LAYER_ROLE_OTHER, begin(1, 64), 64, 64);
    int both[2];
    both[0] = dense("a", TINYAI_LAYER_ROLE_FFN, x0, 64, 64);
    if (longer) both[0] = dense("b", TINYAI_LAYER_ROLE_FFN, both[0], 64, 64);
    both[1] = dense("short", TINYAI_LAYER_ROLE_FFN, x0, 64, 64);
    const int sum = op("sum", "add", NULL, both, 2, NULL, 0);
    dense_op("last", sum, 64, 64);
    end("last", TINYAI_LAYER_ROLE_OUTPUT);
    save(path);
}

static int norm(const char *name, int a, int b, int width) {
    char scale[32];
    const int both[2] = {a, b};
    const int sum = op(name, "add", NULL, both, 2, NULL, 0);
    snprintf(scale, sizeof scale, "%s.scale", name);
    const int vector = weight(scale, 1, width);
    const int value = op(name, "layer_norm", "epsilon=1e-5", &sum, 1, &vector, 1);
    end(name, TINYAI_LAYER_ROLE_NORM);
    return value;
}

static void attention(const char *path) {
    enum { TOKENS = 16, WIDTH = 64 };
    int qkv[3];
    const int x0 = dense("embed", TINYAI_LAYER_ROLE_EMBEDDING, begin(TOKENS, WIDTH), WIDTH, WIDTH);
    qkv[0] = dense("query", TINYAI_LAYER_ROLE_ATTENTION, x0, WIDTH, WIDTH);
    qkv[1] = dense("key", TINYAI_LAYER_ROLE_ATTENTION, x0, WIDTH, WIDTH);
    qkv[2] = dense("value", TINYAI_LAYER_ROLE_ATTENTION, x0, WIDTH, WIDTH);
    const int attended = op("attend", "attention", "heads=4 kv_heads=4 scale=0.25", qkv, 3, NULL, 0);
    end("attend", TINYAI_LAYER_ROLE_ATTENTION);
    const int x5 = norm("norm.0", x0, attended, WIDTH);
    int hidden = dense_op("up", x5, 128, WIDTH);
    hidden = op("act", "activation", "function=gelu", &hidden, 1, NULL, 0);
    const int x6 = dense_op("down", hidden, WIDTH, 128);
    end("ffn", TINYAI_LAYER_ROLE_FFN);
    norm("norm.1", x5, x6, WIDTH);
    save(path);
}

/* At least one layer of each role, float32, layer 0 with a matrix. */
static void transformer(const char *path) {
    int x = dense("embedding", TINYAI_LAYER_ROLE_EMBEDDING, begin(8, 256), 256, 256);
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "attention.%d", i);
        x = dense(name, TINYAI_LAYER_ROLE_ATTENTION, x, 256, 256);
        snprintf(name, sizeof name, "ffn.%d", i);
        x = dense(name, TINYAI_LAYER_ROLE_FFN, x, 256, 256);
    }
    dense("output", TINYAI_LAYER_ROLE_OUTPUT, x, 256, 256);
    save(path);
}

int main(void) {
    chain("model.tmai", 12, 64);
    chain("path/to/model.tmai", 3, 64);
    chain("large_model.tmai", 32, 1024);
    residual("residual_model.tmai", true);
    residual("guide_residual_model.tmai", false);
    attention("attention_model.tmai");
    transformer("transformer_model.tmai");
    return 0;
}
