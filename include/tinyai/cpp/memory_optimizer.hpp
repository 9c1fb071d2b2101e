#pragma once

#include <tinyai/utils/memory_optimizer.h>
#include <tinyai/cpp/model.hpp>

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace tinyai {
inline namespace v0 {

struct MemoryOptimizerOptions {
  bool reuse_tensors = true;  // memory of tensors that were freed serves the next ones
  bool in_place = true;       // a result may take the memory of an operand that nobody reads again
  float speed = 0.5f;         // 0: as little memory as works, to 1: as fast as fits
  std::size_t bytes = 0;      // for all that it manages; 0: no limit of its own
};

// Has models keep within a budget, and tensors of the C API use memory again. One thread at a time
// uses it.
class MemoryOptimizer {
 public:
  // Error ARG_VALUE (a speed that is no number).
  static Result<MemoryOptimizer> Create(const MemoryOptimizerOptions& options = {}) {
    const TinyAIMemoryOptimizerConfig config = {.enable_tensor_reuse = options.reuse_tensors,
                                                .enable_in_place_ops = options.in_place,
                                                .memory_speed_tradeoff = options.speed,
                                                .max_memory_budget = options.bytes};
    Handle handle(tinyaiCreateMemoryOptimizer(&config));
    if (!handle) return detail::LastError();
    return MemoryOptimizer(std::move(handle));
  }

  // Makes the budget (0: that of the options) the limit of passes made later of the model without a
  // limit of their own. Changes no result. Error BUDGET_INFEASIBLE with the bytes that it takes.
  Status Optimize(Model& model, std::size_t bytes = 0) {
    return detail::StatusOf(tinyaiOptimizeMemoryUsage(handle(), model.handle(), bytes));
  }

  // What `function` returns, called once on this thread: tensors that it makes and frees have
  // memory of the optimizer. Error CALLBACK: it threw an exception.
  template <typename Function>
  Result<bool> WithReuse(Function&& function) {
    using Plain = std::remove_reference_t<Function>;
    const TinyAITensorReuseFunction call = [](void* data) -> bool {
      return (*static_cast<Plain*>(data))();
    };
    void* const data = const_cast<void*>(static_cast<const void*>(std::addressof(function)));
    const bool done = tinyaiExecuteWithTensorReuse(handle(), call, data);
    if (!done && tinyaiGetLastError() != TINYAI_SUCCESS) return detail::LastError();
    return done;
  }

  void SetSpeed(float speed) { tinyaiSetMemorySpeedTradeoff(handle(), speed); }
  void EnableInPlace(bool enable) { tinyaiEnableInPlaceOperations(handle(), enable); }
  TinyAIMemoryStats stats() const { return tinyaiGetMemoryOptimizerStats(handle()); }

  // For what only the C API has; belongs to this object.
  TinyAIMemoryOptimizer* handle() const { return handle_.get(); }

 private:
  struct Free {
    void operator()(TinyAIMemoryOptimizer* optimizer) const {
      tinyaiFreeMemoryOptimizer(optimizer);
    }
  };
  using Handle = std::unique_ptr<TinyAIMemoryOptimizer, Free>;
  explicit MemoryOptimizer(Handle handle) : handle_(std::move(handle)) {}

  Handle handle_;
};

}  // namespace v0
}  // namespace tinyai
