#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/budget.h"
#include "base/result.h"

namespace tinyai {

// Anonymous memory from the operating system, aligned to huge pages and made of them where it can
// be, zero-filled, charged to a budget, returned by the destructor. Huge pages matter for O_DIRECT:
// the kernel pins whole pages, and 4 KiB ones cost it a factor of two to three.
class MemoryRegion {
 public:
  MemoryRegion() = default;
  // Errors BUDGET_EXCEEDED, OUT_OF_MEMORY (the system refused). `bytes` is rounded up to pages; a
  // region of less than one huge page, and the tail after the last whole one, are made of small
  // pages, so nothing beyond `bytes` is held.
  static Result<MemoryRegion> Allocate(Budget& budget, uint64_t bytes, std::string_view what);
  MemoryRegion(MemoryRegion&& other) noexcept { *this = std::move(other); }
  MemoryRegion& operator=(MemoryRegion&& other) noexcept;
  ~MemoryRegion();

  std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
  uint64_t mapped_ = 0;  // with the slack that alignment cost, which is never touched
  std::byte* mapping_ = nullptr;
  Charge charge_;
};

}  // namespace tinyai
