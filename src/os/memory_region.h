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
  // pages, so nothing beyond `bytes` is held. Memory is held from its first touch on.
  static Result<MemoryRegion> Allocate(Budget& budget, uint64_t bytes, std::string_view what);
  MemoryRegion(MemoryRegion&& other) noexcept { *this = std::move(other); }
  MemoryRegion& operator=(MemoryRegion&& other) noexcept;
  ~MemoryRegion();

  std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }  // as rounded up

  // Touches the `bytes` from `offset`, both multiples of the page size and inside the region, in
  // one go: faster than by page faults. Error OUT_OF_MEMORY.
  Status Populate(uint64_t offset, uint64_t bytes);
  // Gives the `bytes` from `offset`, both multiples of the page size and inside the region, back to
  // the system until they are touched again; what was there is lost. They stay charged.
  void Discard(uint64_t offset, uint64_t bytes);
  // The same with the whole pages among the `bytes` from `offset`, whatever these are.
  void DiscardInside(uint64_t offset, uint64_t bytes);
  // Gives all behind `bytes`, rounded up to pages, back to the system and to the budget.
  void Shrink(uint64_t bytes);
  // Leaves the memory mapped for ever, and charged for as long as the process runs: for buffers
  // that a read stuck in the kernel may still write to.
  void Leak();

 private:
  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
  Charge charge_;
};

}  // namespace tinyai
