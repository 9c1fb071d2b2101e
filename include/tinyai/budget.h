#pragma once

#include <tinyai/detail/common.h>
#include <tinyai/error.h>

/* One limit for what several models hold together. Any thread may use a budget. */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct TinyAIBudget TinyAIBudget;

/* NULL: ARG_VALUE (0 bytes). */
TINYAI_API TinyAIBudget *tinyaiCreateBudget(size_t limit_bytes);
/* NULL is allowed. Models that share it keep to it all the same. */
TINYAI_API void tinyaiFreeBudget(TinyAIBudget *budget);

/* From now on the layers in the model's cache count in the budget, and besides the limits of their own all
 * that its schedulers take when they are prepared next, and its sessions that are planned next: once for
 * each what all sessions have in common. What does not fit is refused as with any limit. Layers that are
 * cached and not in use give way to schedulers and sessions, of whatever model of the budget. False, and
 * nothing changed: ARG_NULL, BUDGET_BOUND (the model shares one already), BUDGET_EXCEEDED (what loaders hold
 * of it is more than is left). */
TINYAI_API bool tinyaiShareBudget(TinyAIBudget *budget, TinyAIModel *model);
/* Bytes held now and at most so far, and the limit. False: ARG_NULL. */
TINYAI_API bool tinyaiGetBudgetStats(const TinyAIBudget *budget, TinyAIMemoryStats *out);

#ifdef __cplusplus
}
#endif
