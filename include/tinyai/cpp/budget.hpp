#pragma once

#include <tinyai/budget.h>
#include <tinyai/cpp/model.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace tinyai {
inline namespace v0 {

// One limit for what several models hold together. Any thread may use it; models that share it keep
// to it when it is gone.
class SharedBudget {
 public:
  // Error ARG_VALUE (0 bytes).
  static Result<SharedBudget> Create(std::size_t bytes) {
    Handle handle(tinyaiCreateBudget(bytes));
    if (!handle) return detail::LastError();
    return SharedBudget(std::move(handle));
  }

  // From now on cached layers of the model count here, and passes and sessions that are planned
  // next. Errors BUDGET_BOUND (it shares one already), BUDGET_EXCEEDED (by what loaders hold).
  Status Add(Model& model) { return detail::StatusOf(tinyaiShareBudget(handle(), model.handle())); }
  TinyAIMemoryStats stats() const {
    TinyAIMemoryStats stats;
    tinyaiGetBudgetStats(handle(), &stats);
    return stats;
  }

  // For what only the C API has; belongs to this object.
  TinyAIBudget* handle() const { return handle_.get(); }

 private:
  struct Free {
    void operator()(TinyAIBudget* budget) const { tinyaiFreeBudget(budget); }
  };
  using Handle = std::unique_ptr<TinyAIBudget, Free>;
  explicit SharedBudget(Handle handle) : handle_(std::move(handle)) {}

  Handle handle_;
};

}  // namespace v0
}  // namespace tinyai
