#include "base/budget.h"

#include "base/units.h"
#include "fmt/format.h"

namespace tinyai {

Status Budget::Take(uint64_t bytes, std::string_view what) {
  uint64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (bytes > limit_ - used) {  // used <= limit always
      return Fail(ErrorCode::kOutOfMemory, "BUDGET_EXCEEDED",
                  fmt::format("{} needs {} ({} bytes), but the {} budget of {} has {} left", what,
                              FormatByteSize(bytes), bytes, name_, FormatByteSize(limit_),
                              FormatByteSize(limit_ - used)));
    }
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  if (parent_ != nullptr) {
    if (Status above = parent_->Take(bytes, what); !above) {
      used_.fetch_sub(bytes, std::memory_order_relaxed);
      return above;
    }
  }
  const uint64_t now = used + bytes;
  uint64_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < now && !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
  return {};
}

void Budget::Give(uint64_t bytes) {
  used_.fetch_sub(bytes, std::memory_order_relaxed);
  if (parent_ != nullptr) parent_->Give(bytes);
}

}  // namespace tinyai
