#pragma once

#include <tinyai/utils/mmap_loader.h>
#include <tinyai/utils/tensor.h>

/* A forward pass over the model's own graph, within a limit for activations. One thread at a time uses a
 * scheduler; it keeps its model alive. */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    bool enable_checkpointing;    /* activations need not stay: they go after their last reader */
    float memory_speed_tradeoff;  /* 0: least memory, to 1: fastest that fits */
    bool recompute_activations;   /* they may be computed again, whole or, of large maps, in bands; else,
                                     and where that is not enough, stored in a temporary file */
    size_t max_activation_memory; /* bytes; 0: no limit */
} TinyAILayerSchedulerConfig;

typedef struct TinyAILayerScheduler TinyAILayerScheduler;
/* Belongs to its scheduler: valid until the next plan is made or the scheduler is freed. */
typedef struct TinyAIExecutionPlan TinyAIExecutionPlan;

/* What becomes of a layer's output once others have been executed. */
typedef enum TINYAI_ENUM_TYPE {
    TINYAI_CHECKPOINT_AUTO = 0, /* the planner decides */
    TINYAI_CHECKPOINT_KEEP,     /* it stays until the pass ends */
    TINYAI_CHECKPOINT_STORE,    /* while others do not read it, it lies in a temporary file */
    TINYAI_CHECKPOINT_RECOMPUTE /* it need not stay; parts of it may be computed again */
} TinyAICheckpointStrategy;

typedef struct {
    size_t min_memory;        /* the lowest limit for which there is a plan */
    size_t max_memory;        /* with everything resident */
    size_t peak_memory;       /* of the plan for this configuration */
    size_t average_memory;    /* over its layers */
    size_t weights_memory;    /* of peak_memory */
    size_t activation_memory; /* of peak_memory */
    size_t workspace_memory;  /* of peak_memory */
    double recompute_overhead; /* work done twice, as a part of all work */
} TinyAIMemoryEstimate;

/* NULL config: checkpointing and recomputation on, 0.5, no limit. NULL returned: ARG_NULL, ARG_VALUE (a
 * tradeoff that is no number). */
TINYAI_API TinyAILayerScheduler *tinyaiCreateLayerScheduler(TinyAIModel *model,
                                                            const TinyAILayerSchedulerConfig *config);
/* NULL is allowed. */
TINYAI_API void tinyaiFreeLayerScheduler(TinyAILayerScheduler *scheduler);
/* NULL: ARG_NULL, BUDGET_INFEASIBLE, GRAPH_OP (the file says nothing of what its layers do). */
TINYAI_API TinyAIExecutionPlan *tinyaiCreateExecutionPlan(TinyAILayerScheduler *scheduler);
/* Executes the layer, after those before it in the plan that have not run. `input` (float32; NULL: zeros)
 * is read by entry layers, `output` (float32, at least as large as the result; NULL: not wanted) receives
 * this layer's result. An entry layer after the end of a pass begins a new one. Makes a plan if there is
 * none. False: ARG_NULL, ARG_INDEX, ARG_VALUE (type or size of a tensor), OUTPUT_GONE (wanted, but
 * executed before, or in bands with those behind it, and not kept), those of planning and reading. Text models: UNSUPPORTED_TEXT. */
TINYAI_API bool tinyaiExecuteLayerWithMemoryOptimization(TinyAILayerScheduler *scheduler, int layer_index,
                                                         TinyAITensor *input, TinyAITensor *output);
/* Overrides the planner; the plan has to be made again. False, and nothing changed: ARG_NULL, ARG_INDEX,
 * ARG_VALUE, CONFIG (without checkpointing outputs stay; without recomputation none is computed again),
 * BUDGET_INFEASIBLE (the limit cannot hold then). */
TINYAI_API bool tinyaiSetLayerCheckpointingStrategy(TinyAILayerScheduler *scheduler, int layer_index,
                                                    TinyAICheckpointStrategy strategy);
/* Predicted, nothing is executed. All zero on failure. */
TINYAI_API TinyAIMemoryEstimate tinyaiEstimateMemoryUsage(TinyAILayerScheduler *scheduler);

/* ---- beyond the four API pages: what a plan says ---- */

/* -1 for NULL. */
TINYAI_API int tinyaiGetPlanLayerCount(const TinyAIExecutionPlan *plan);
/* The layer that is executed at this position; -1 for NULL or a bad position. */
TINYAI_API int tinyaiGetPlanLayer(const TinyAIExecutionPlan *plan, int position);
/* Bytes at most at once: of everything, and of activations. 0 for NULL. */
TINYAI_API size_t tinyaiGetPlanPeakMemory(const TinyAIExecutionPlan *plan);
TINYAI_API size_t tinyaiGetPlanActivationMemory(const TinyAIExecutionPlan *plan);
/* Bytes of the temporary file that outputs are stored in while a pass runs, and bytes that each pass writes
 * to it: 0 where nothing is stored, and for NULL. The file has no name and lies in $TMPDIR, else in /var/tmp;
 * a pass that cannot write it fails with IO_WRITE. */
TINYAI_API size_t tinyaiGetPlanDiskSpace(const TinyAIExecutionPlan *plan);
TINYAI_API size_t tinyaiGetPlanDiskWrites(const TinyAIExecutionPlan *plan);
/* Work done twice, as a part of all work; 0 for NULL. */
TINYAI_API double tinyaiGetPlanRecomputeOverhead(const TinyAIExecutionPlan *plan);
/* Of the pass under way, counted where the memory is given out: bytes held now and at most since it began,
 * the limit for activations, results
 * written over an operand in each pass. False: ARG_NULL. */
TINYAI_API bool tinyaiGetLayerSchedulerStats(const TinyAILayerScheduler *scheduler, TinyAIMemoryStats *out);

#ifdef __cplusplus
}
#endif
