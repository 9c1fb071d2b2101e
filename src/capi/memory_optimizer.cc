#include <tinyai/utils/memory_optimizer.h>

#include <algorithm>
#include <cmath>

#include "capi/guard.h"
#include "capi/handles.h"
#include "engine/forward_scheduler.h"
#include "engine/reuse_arena.h"

struct TinyAIMemoryOptimizer {
  std::shared_ptr<tinyai::ReuseArena> arena;
  size_t budget = 0;
  float tradeoff = 0.5f;
  // Of the models that it set up too.
  std::shared_ptr<tinyai::InPlaceSwitch> in_place = std::make_shared<tinyai::InPlaceSwitch>();
};

namespace tinyai::capi {
namespace {

// Below, memory comes first; above, speed does.
constexpr float kMemoryFirst = 1.0f / 3, kSpeedFirst = 2.0f / 3;

PlanMode ModeOf(float tradeoff) {
  if (tradeoff < kMemoryFirst) return PlanMode::kStreaming;
  return tradeoff < kSpeedFirst ? PlanMode::kMemoryOptimised : PlanMode::kAdaptive;
}

size_t SmallerLimit(size_t a, size_t b) {
  if (a == 0 || b == 0) return std::max(a, b);
  return std::min(a, b);
}

}  // namespace
}  // namespace tinyai::capi

using namespace tinyai;
using namespace tinyai::capi;

TinyAIMemoryOptimizer* tinyaiCreateMemoryOptimizer(const TinyAIMemoryOptimizerConfig* config) {
  return Guard<TinyAIMemoryOptimizer*>(nullptr, [&]() -> Result<TinyAIMemoryOptimizer*> {
    const TinyAIMemoryOptimizerConfig defaults = {true, true, 0.5f, 0};
    const TinyAIMemoryOptimizerConfig& from = config != nullptr ? *config : defaults;
    if (std::isnan(from.memory_speed_tradeoff)) return BadValue("memory_speed_tradeoff is NaN");
    auto optimizer = std::make_unique<TinyAIMemoryOptimizer>();
    optimizer->arena =
        std::make_shared<ReuseArena>(from.max_memory_budget, from.enable_tensor_reuse);
    optimizer->budget = from.max_memory_budget;
    optimizer->tradeoff = std::clamp(from.memory_speed_tradeoff, 0.0f, 1.0f);
    optimizer->in_place->enabled = from.enable_in_place_ops;
    return optimizer.release();
  });
}

void tinyaiFreeMemoryOptimizer(TinyAIMemoryOptimizer* optimizer) { delete optimizer; }

TinyAIMemoryStats tinyaiGetMemoryOptimizerStats(const TinyAIMemoryOptimizer* optimizer) {
  return Guard<TinyAIMemoryStats>({}, [&]() -> Result<TinyAIMemoryStats> {
    if (optimizer == nullptr) return NullArgument("optimizer");
    const ReuseStats stats = optimizer->arena->stats();
    TinyAIMemoryStats out = {};
    out.current_usage = stats.used_bytes;
    out.peak_usage = stats.peak_bytes;
    out.total_allocated = stats.taken_bytes;
    out.memory_budget = optimizer->budget;
    out.allocation_count = stats.takes;
    out.free_count = stats.gives;
    out.tensor_reuse_count = stats.reuses;
    out.in_place_count = optimizer->in_place->count;
    out.memory_saved = stats.reused_bytes;
    out.fragmentation = stats.fragmentation;
    return out;
  });
}

void tinyaiSetMemorySpeedTradeoff(TinyAIMemoryOptimizer* optimizer, float tradeoff) {
  GuardStatus([&]() -> Status {
    if (optimizer == nullptr) return NullArgument("optimizer");
    if (std::isnan(tradeoff)) return BadValue("the tradeoff is NaN");
    optimizer->tradeoff = std::clamp(tradeoff, 0.0f, 1.0f);
    return {};
  });
}

void tinyaiEnableInPlaceOperations(TinyAIMemoryOptimizer* optimizer, bool enable) {
  GuardStatus([&]() -> Status {
    if (optimizer == nullptr) return NullArgument("optimizer");
    optimizer->in_place->enabled = enable;
    return {};
  });
}

bool tinyaiExecuteWithTensorReuse(TinyAIMemoryOptimizer* optimizer, TinyAITensorReuseFunction func,
                                  void* user_data) {
  return Guard<bool>(false, [&]() -> Result<bool> {
    if (optimizer == nullptr) return NullArgument("optimizer");
    if (func == nullptr) return NullArgument("func");
    const ReuseArena::Scope scope(optimizer->arena);
    return CallUser(func, user_data);
  });
}

bool tinyaiOptimizeMemoryUsage(TinyAIMemoryOptimizer* optimizer, TinyAIModel* model,
                               size_t memory_budget) {
  return GuardStatus([&]() -> Status {
    if (optimizer == nullptr) return NullArgument("optimizer");
    if (model == nullptr) return NullArgument("model");
    return OptimizeMemory(*model->objects->shared(), ModeOf(optimizer->tradeoff),
                          SmallerLimit(memory_budget, optimizer->budget), optimizer->in_place);
  });
}
