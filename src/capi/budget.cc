#include <tinyai/budget.h>

#include <memory>

#include "capi/guard.h"
#include "capi/handles.h"

struct TinyAIBudget {
  std::shared_ptr<tinyai::SharedBudget> shared;
};

using namespace tinyai;
using namespace tinyai::capi;

TinyAIBudget* tinyaiCreateBudget(size_t limit_bytes) {
  return Guard<TinyAIBudget*>(nullptr, [&]() -> Result<TinyAIBudget*> {
    if (limit_bytes == 0) return BadValue("a budget of 0 bytes");
    auto budget = std::make_unique<TinyAIBudget>();
    budget->shared = std::make_shared<SharedBudget>(limit_bytes);
    return budget.release();
  });
}

void tinyaiFreeBudget(TinyAIBudget* budget) { delete budget; }

bool tinyaiShareBudget(TinyAIBudget* budget, TinyAIModel* model) {
  return GuardStatus([&]() -> Status {
    if (budget == nullptr) return NullArgument("budget");
    if (model == nullptr) return NullArgument("model");
    return model->objects->mapped().Share(budget->shared);
  });
}

bool tinyaiGetBudgetStats(const TinyAIBudget* budget, TinyAIMemoryStats* out) {
  return GuardStatus([&]() -> Status {
    if (budget == nullptr) return NullArgument("budget");
    if (out == nullptr) return NullArgument("out");
    const Budget& shared = budget->shared->budget();
    *out = {};
    out->current_usage = shared.used_bytes();
    out->peak_usage = shared.peak_bytes();
    out->memory_budget = shared.limit_bytes();
    return {};
  });
}
