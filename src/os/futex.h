#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace tinyai {

// Looks at a word so often before sleeping: about 2 us. Longer spinning takes the core from the
// thread that is waited for when both landed on one.
inline constexpr uint32_t kShortSpin = 50;

// Waits while `word` is `value`, with acquire order. False if `timeout` passed first. Whoever
// changes the word calls WakeAll or WakeOne afterwards.
bool WaitWhileEqual(const std::atomic<uint32_t>& word, uint32_t value,
                    std::chrono::nanoseconds timeout, uint32_t spins = kShortSpin);
void WakeOne(const std::atomic<uint32_t>& word);
void WakeAll(const std::atomic<uint32_t>& word);

}  // namespace tinyai
