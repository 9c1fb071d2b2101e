#include "format/allocation_meter.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<size_t> held{0}, peak{0};

}  // namespace

void* operator new(size_t size) {
  void* block = std::malloc(size);
  if (block == nullptr) std::abort();
  const size_t now = held += malloc_usable_size(block);
  if (now > peak) peak = now;
  return block;
}

void operator delete(void* block) noexcept {
  if (block != nullptr) held -= malloc_usable_size(block);
  std::free(block);
}

void operator delete(void* block, size_t) noexcept { operator delete(block); }

namespace tinyai {

size_t StartMeter() {
  const size_t now = held;
  peak = now;
  return now;
}

size_t PeakBytes() { return peak; }

}  // namespace tinyai
