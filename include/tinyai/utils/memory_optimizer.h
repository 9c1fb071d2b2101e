#pragma once

#include <tinyai/detail/common.h>
#include <tinyai/error.h>

/* Tensors whose memory is used again, and models that keep within a budget. One thread at a time uses an
 * optimizer. */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    bool enable_tensor_reuse;    /* memory of tensors that were freed serves the next ones */
    bool enable_in_place_ops;    /* see tinyaiEnableInPlaceOperations() */
    float memory_speed_tradeoff; /* 0: as little memory as works, to 1: as fast as fits */
    size_t max_memory_budget;    /* bytes for all that it manages; 0: no limit of its own */
} TinyAIMemoryOptimizerConfig;

typedef struct TinyAIMemoryOptimizer TinyAIMemoryOptimizer;
typedef bool (*TinyAITensorReuseFunction)(void *user_data);

/* NULL: both on, 0.5, no limit. A tradeoff outside 0..1 is taken as the nearer end. NULL returned:
 * ARG_VALUE (a tradeoff that is no number). */
TINYAI_API TinyAIMemoryOptimizer *tinyaiCreateMemoryOptimizer(const TinyAIMemoryOptimizerConfig *config);
/* NULL is allowed. Tensors and models stay as they are. */
TINYAI_API void tinyaiFreeMemoryOptimizer(TinyAIMemoryOptimizer *optimizer);
/* Of the tensors made by tinyaiExecuteWithTensorReuse(). All zero for NULL. */
TINYAI_API TinyAIMemoryStats tinyaiGetMemoryOptimizerStats(const TinyAIMemoryOptimizer *optimizer);
/* For the next tinyaiOptimizeMemoryUsage(). */
TINYAI_API void tinyaiSetMemorySpeedTradeoff(TinyAIMemoryOptimizer *optimizer, float tradeoff);
/* Whether a result may take the memory of an operand that nobody reads again, in models that this optimizer
 * has set up, from the next execution on. It never changes a result; in_place_count says how many did. */
TINYAI_API void tinyaiEnableInPlaceOperations(TinyAIMemoryOptimizer *optimizer, bool enable);

/* Calls func(user_data) once, on this thread, and returns what it returns. Tensors that this thread makes
 * meanwhile come from the optimizer's memory, within its budget, and go back there; such as are still
 * there afterwards stay valid. May be nested. False also: ARG_NULL, CALLBACK (func threw an exception). */
TINYAI_API bool tinyaiExecuteWithTensorReuse(TinyAIMemoryOptimizer *optimizer, TinyAITensorReuseFunction func,
                                             void *user_data);

/* Finds how a forward pass of the model keeps within the budget (0, and max_memory_budget 0: no limit), and
 * makes that the limit and mode of schedulers made later of this model without a limit of their own. Never
 * changes a result. False: ARG_NULL, BUDGET_INFEASIBLE with the bytes that it takes. */
TINYAI_API bool tinyaiOptimizeMemoryUsage(TinyAIMemoryOptimizer *optimizer, TinyAIModel *model,
                                          size_t memory_budget);

#ifdef __cplusplus
}
#endif
