#include "os/futex.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/clock.h"

namespace tinyai {
namespace {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));

inline void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void Wake(const std::atomic<uint32_t>& word, int threads) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, threads, nullptr, nullptr, 0);
}

}  // namespace

bool WaitWhileEqual(const std::atomic<uint32_t>& word, uint32_t value,
                    std::chrono::nanoseconds timeout, uint32_t spins) {
  for (uint32_t i = 0; i < spins; ++i) {
    if (word.load(std::memory_order_acquire) != value) return true;
    Pause();
  }
  const int64_t start = MonotonicNs();
  while (word.load(std::memory_order_acquire) == value) {
    const int64_t left = timeout.count() - (MonotonicNs() - start);
    if (left <= 0) return false;
    const timespec time = {.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, &time, nullptr, 0);
  }
  return true;
}

void WakeOne(const std::atomic<uint32_t>& word) { Wake(word, 1); }
void WakeAll(const std::atomic<uint32_t>& word) { Wake(word, INT_MAX); }

}  // namespace tinyai
