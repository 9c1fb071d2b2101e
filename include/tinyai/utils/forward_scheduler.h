#pragma once

#include <tinyai/utils/mmap_loader.h>

/* A forward pass, layer by layer, as the caller wires it, within a memory limit.
 * docs/api/forward_scheduler.md explains with examples.
 *
 * One thread at a time uses a scheduler; several schedulers of one model may be used at once. A
 * scheduler keeps its model alive: they may be given back in any order. */

#ifdef __cplusplus
extern "C" {
#endif

typedef enum TINYAI_ENUM_TYPE {
    TINYAI_EXEC_NORMAL,     /* all weights resident after Prepare, all outputs kept */
    TINYAI_EXEC_MEMORY_OPT, /* weights come when needed, outputs go after their last reader */
    TINYAI_EXEC_STREAMING,  /* also cuts activations into bands: the least memory of all */
    TINYAI_EXEC_ADAPTIVE    /* the fastest of these that fits */
} TinyAIExecutionMode;

typedef enum TINYAI_ENUM_TYPE {
    TINYAI_DEP_NONE,       /* an entry layer: reads the caller's input */
    TINYAI_DEP_SEQUENTIAL, /* reads the layer named; -1: the layer added before this one */
    TINYAI_DEP_RESIDUAL,   /* reads the layer named, however long ago it ran */
    TINYAI_DEP_ATTENTION   /* the same; in the order added: query, key, value */
} TinyAIDependencyType;

/* A layer of the schedule, as it stands. */
typedef struct {
    int layerIndex;
    TinyAIDependencyType depType; /* of the first dependency */
    int dependsOnLayer;           /* the first dependency; -1: none */
    bool executed;
    bool outputNeeded;  /* neither freed nor marked unneeded */
    float memoryUsage;  /* MB (2^20 bytes) held for its output */
    void *outputPtr;    /* its output; NULL while it is not held */
    size_t outputSize;  /* bytes reserved for its output */
} TinyAIExecLayer;

typedef struct TinyAIForwardScheduler TinyAIForwardScheduler;

/* `maxMemory` in bytes, for weights, activations and workspace, is never exceeded; 0: what the machine
 * and its cgroup have. Reads no weights. NULL: ARG_NULL, ARG_VALUE. */
TINYAI_API TinyAIForwardScheduler *tinyaiCreateForwardScheduler(TinyAIMappedModel *model, TinyAIExecutionMode mode,
                                                                size_t maxMemory);
/* NULL is allowed. Outputs end here. */
TINYAI_API void tinyaiDestroyForwardScheduler(TinyAIForwardScheduler *scheduler);

/* One call for each dependency of a layer; the layer runs once. A layer that is depended on may be added
 * later. The operands of a layer are its dependencies in the order added: an operation that takes several
 * gets them as they are, one that takes a single one gets their sum. `outputSize`: bytes for its output,
 * at least what it needs; 0: what the model says; of the last layer of a text model: bytes for the text
 * and its NUL. False, and nothing changed: ARG_INDEX, ARG_VALUE, SCHEDULE_DEPENDENCY, SCHEDULE_SIZE. */
TINYAI_API bool tinyaiAddLayerToSchedule(TinyAIForwardScheduler *scheduler, int layerIndex, int dependsOnLayer,
                                         TinyAIDependencyType depType, size_t outputSize);
/* Decides order, memory and reads, and takes the memory. Ends a pass under way. False: SCHEDULE_EMPTY,
 * SCHEDULE_MISSING, SCHEDULE_CYCLE, GRAPH_DEPENDENCY, GRAPH_SHAPE, CACHE_FULL, BUDGET_INFEASIBLE (the
 * message has the layer, the bytes needed and the bytes allowed). */
TINYAI_API bool tinyaiPrepareForwardPass(TinyAIForwardScheduler *scheduler);

/* Runs one layer and writes its number to `*layerIndex` (which may be NULL). `input` is read by entry
 * layers only: float32 of the model's input, sample after sample (of a model with several inputs, input
 * after input); NULL: zeros. `output` is written by the call that runs the last layer that nobody reads;
 * NULL: not at all. Of a text model `input` is a text that ends with NUL (NULL: the empty text), and `output`
 * receives the text so far, prompt and continuation, ended with NUL; the passes go on, token by token.
 * False with -1 and no error: the pass, or the text, is complete. False with the layer's number and an
 * error: it failed, and the next call tries it again; NOT_PREPARED, OUTPUT_SIZE, those of reading. */
TINYAI_API bool tinyaiExecuteNextLayer(TinyAIForwardScheduler *scheduler, const void *input, void *output,
                                       int *layerIndex);
/* Nothing is executed any more and the peak begins anew; the schedule, its plan and the weights in memory
 * stay. A text model forgets its text. */
TINYAI_API void tinyaiResetScheduler(TinyAIForwardScheduler *scheduler);

/* The most samples, up to `maxBatchSize`, of which a pass fits the limit together with inputs and outputs
 * of these sizes that the caller holds. At least 1, also with an error: BATCH_DOES_NOT_FIT if not even one
 * fits, ARG_NULL, ARG_VALUE, those of Prepare. */
TINYAI_API int tinyaiCalculateOptimalBatchSize(TinyAIForwardScheduler *scheduler, size_t inputSize,
                                               size_t outputSize, int maxBatchSize);
/* Bytes that the scheduler holds: weights, outputs, workspace. */
TINYAI_API size_t tinyaiGetSchedulerMemoryUsage(const TinyAIForwardScheduler *scheduler);
/* The most of it since the last Prepare or Reset. */
TINYAI_API size_t tinyaiGetSchedulerPeakMemoryUsage(const TinyAIForwardScheduler *scheduler);
/* The caller will not ask for this output: its memory goes when no layer needs it any more. That holds for
 * the layer in every pass of this scheduler from now on, over Reset and Prepare; what is last written to
 * the caller's `output` is written all the same. Of a layer that is not scheduled it does nothing. */
TINYAI_API void tinyaiMarkLayerOutputUnneeded(TinyAIForwardScheduler *scheduler, int layerIndex);
TINYAI_API bool tinyaiIsLayerExecuted(const TinyAIForwardScheduler *scheduler, int layerIndex);
/* float32, row-major; NULL while it is not held. Valid until the next call that changes the scheduler. */
TINYAI_API void *tinyaiGetLayerOutput(const TinyAIForwardScheduler *scheduler, int layerIndex);

/* ---- beyond the four API pages ---- */

/* Every layer as the model's own file has them, and nothing else that was added before. `input` then holds
 * every input of the model, one after the other. False: ARG_NULL. */
TINYAI_API bool tinyaiAddModelToSchedule(TinyAIForwardScheduler *scheduler);
/* Of a scheduler that is prepared: the bytes of `input` that tinyaiExecuteNextLayer() may read, and of
 * `output` that it writes (of a text model 0, and the capacity of the text). 0: ARG_NULL, NOT_PREPARED. */
TINYAI_API size_t tinyaiGetSchedulerInputSize(const TinyAIForwardScheduler *scheduler);
TINYAI_API size_t tinyaiGetSchedulerOutputSize(const TinyAIForwardScheduler *scheduler);
/* Samples of a pass, 1 unless set, one after the other in input and output; in force after the next
 * Prepare. False: ARG_VALUE. */
TINYAI_API bool tinyaiSetSchedulerBatchSize(TinyAIForwardScheduler *scheduler, int batchSize);
TINYAI_API bool tinyaiGetExecLayer(const TinyAIForwardScheduler *scheduler, int layerIndex, TinyAIExecLayer *out);
/* The number of dependencies of a scheduled layer, -1 for one that is not scheduled; writes the first
 * `capacity` of them, in the order added. Either array may be NULL. */
TINYAI_API int tinyaiGetLayerDependencies(const TinyAIForwardScheduler *scheduler, int layerIndex, int *layers,
                                          TinyAIDependencyType *types, int capacity);
/* The mode in force: after Prepare what ADAPTIVE chose. */
TINYAI_API TinyAIExecutionMode tinyaiGetSchedulerMode(const TinyAIForwardScheduler *scheduler);

/* What tinyaiGetSchedulerMemoryUsage() is made of, in bytes. */
typedef struct {
    size_t resident_weights; /* stay from pass to pass */
    size_t streamed_weights; /* slots that weights go through */
    size_t activations;      /* outputs held now */
    size_t context;          /* keys and values of a text */
    size_t workspace;
    size_t planned_peak;     /* what Prepare computed */
} TinyAIMemoryBreakdown;
TINYAI_API bool tinyaiGetSchedulerMemoryBreakdown(const TinyAIForwardScheduler *scheduler,
                                                  TinyAIMemoryBreakdown *out);
/* Where the pass holds most, by its plan: the layer (-1 before Prepare), and what is held while it runs,
 * the outputs that others left among its activations. NULL is allowed for `out`. */
TINYAI_API int tinyaiGetSchedulerPeakLayer(const TinyAIForwardScheduler *scheduler, TinyAIMemoryBreakdown *out);
/* The number of layers whose outputs are held then, its own among them; writes the first `capacity` of
 * them, the largest first, and their bytes. Either array may be NULL. 0 before Prepare, -1 for NULL. */
TINYAI_API int tinyaiGetSchedulerPeakOutputs(const TinyAIForwardScheduler *scheduler, int *layers, size_t *bytes,
                                             int capacity);

/* How a text is continued. */
typedef struct {
    int max_new_tokens; /* negative: until the text, the capacity or the context ends */
    float temperature;  /* 0: always the most likely token */
    int top_k;          /* 0 or less: all */
    float top_p;
    float min_p;
    float repeat_penalty;
    uint64_t seed;
} TinyAITextSettings;
/* -1 new tokens, temperature 0, and what matters only with another temperature: 40, 0.95, 0.05, 1, 0. */
TINYAI_API void tinyaiInitTextSettings(TinyAITextSettings *settings);
/* From the next text on. False: ARG_NULL, BAD_OPTION. */
TINYAI_API bool tinyaiSetSchedulerTextSettings(TinyAIForwardScheduler *scheduler, const TinyAITextSettings *settings);

/* Keeps when the last passes did what, in so many bytes besides the limit (0: nothing, as at first); in force
 * after the next Prepare. False: ARG_NULL. */
TINYAI_API bool tinyaiSetSchedulerTrace(TinyAIForwardScheduler *scheduler, size_t trace_bytes);
/* Writes that as a trace in JSON, which ui.perfetto.dev opens: a lane for each queue, loads with their bytes,
 * computations by their ops. Ends the pass: the scheduler has to be prepared again. A file that is there is
 * replaced once the new one is whole. False: ARG_NULL, NOT_PREPARED, OUTPUT_TARGET, IO_WRITE. */
TINYAI_API bool tinyaiWriteSchedulerTrace(TinyAIForwardScheduler *scheduler, const char *filepath);

#ifdef __cplusplus
}
#endif
