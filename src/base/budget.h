#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"

namespace tinyai {

// A limit on bytes held, and a count of them: the tree process -> model -> session. Taking from a
// budget takes from every budget above it; the take that would pass a limit anywhere fails and
// takes nothing. The counted peak is kept here, by those who hold the bytes, independently of any
// plan. Thread-safe. A parent outlives its children.
class Budget {
 public:
  static constexpr uint64_t kUnlimited = ~uint64_t{0};

  Budget(std::string name, uint64_t limit_bytes, Budget* parent = nullptr)
      : name_(std::move(name)), limit_(limit_bytes), parent_(parent) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // Error BUDGET_EXCEEDED (out of memory) naming `what`, the bytes and the budget that is full.
  Status Take(uint64_t bytes, std::string_view what);
  void Give(uint64_t bytes);

  const std::string& name() const { return name_; }
  uint64_t limit_bytes() const { return limit_; }
  uint64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  uint64_t peak_bytes() const { return peak_.load(std::memory_order_relaxed); }

 private:
  const std::string name_;
  const uint64_t limit_;
  Budget* const parent_;
  std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> peak_{0};
};

// Bytes taken from a budget, given back by the destructor.
class Charge {
 public:
  Charge() = default;
  static Result<Charge> Take(Budget& budget, uint64_t bytes, std::string_view what) {
    TRY(budget.Take(bytes, what));
    return Charge(&budget, bytes);
  }
  Charge(Charge&& other) noexcept { *this = std::move(other); }
  Charge& operator=(Charge&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Charge() {
    if (budget_ != nullptr) budget_->Give(bytes_);
  }
  uint64_t bytes() const { return bytes_; }
  // Gives back all but so many.
  void Lower(uint64_t bytes) {
    if (budget_ != nullptr && bytes < bytes_) budget_->Give(bytes_ - bytes);
    bytes_ = std::min(bytes_, bytes);
  }
  // Leaves the bytes taken for good: for memory that cannot be returned.
  void Keep() { budget_ = nullptr; }

 private:
  Charge(Budget* budget, uint64_t bytes) : budget_(budget), bytes_(bytes) {}
  Budget* budget_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace tinyai
