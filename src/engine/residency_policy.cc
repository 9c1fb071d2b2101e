#include "engine/residency_policy.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace tinyai {
namespace {

constexpr uint32_t kRemembered = 16;  // predictions whose outcome counts
constexpr uint32_t kOneWrongIn = 4;   // more is irregular

}  // namespace

ResidencyPolicy::ResidencyPolicy(size_t layers, bool adaptive)
    : adaptive_(adaptive), successor_(layers), last_use_(layers), frequency_(layers) {
  std::iota(successor_.begin(), successor_.end(), 1);
  if (layers > 0) successor_.back() = 0;
}

void ResidencyPolicy::Access(uint32_t layer) {
  ++tick_;
  if (current_ >= 0 && layer != current_) {
    uint32_t& expected = successor_[static_cast<size_t>(current_)];
    outcomes_ = (outcomes_ << 1 | (expected != layer)) & ((1u << kRemembered) - 1);
    predictions_ = std::min(predictions_ + 1, kRemembered);
    expected = layer;
  }
  frequency_[layer] = Frequency(layer) + 1;
  last_use_[layer] = tick_;
  current_ = layer;
}

bool ResidencyPolicy::regular() const {
  return static_cast<uint32_t>(std::popcount(outcomes_)) * kOneWrongIn <= predictions_;
}

double ResidencyPolicy::Frequency(uint32_t layer) const {
  // Uses count half after as many accesses as there are layers.
  const double age = static_cast<double>(tick_ - last_use_[layer]);
  return frequency_[layer] * std::exp2(-age / static_cast<double>(last_use_.size()));
}

uint32_t ResidencyPolicy::Victim(std::span<const uint32_t> candidates) const {
  const auto older = [&](uint32_t a, uint32_t b) { return last_use_[a] < last_use_[b]; };
  if (!adaptive_) return *std::ranges::min_element(candidates, older);
  if (!regular()) {
    return *std::ranges::min_element(candidates, [&](uint32_t a, uint32_t b) {
      const double left = Frequency(a), right = Frequency(b);
      return left != right ? left < right : older(a, b);
    });
  }
  // How far along the chain each is; what the chain does not reach is farthest, the oldest first.
  constexpr uint64_t kNever = ~uint64_t{0};
  std::vector<uint64_t> distance(successor_.size(), kNever);
  uint32_t at = current_ < 0 ? 0 : static_cast<uint32_t>(current_);
  for (uint64_t steps = 0; distance[at] == kNever; ++steps) {
    distance[at] = steps;
    at = successor_[at];
  }
  return *std::ranges::max_element(candidates, [&](uint32_t a, uint32_t b) {
    return distance[a] != distance[b] ? distance[a] < distance[b] : older(b, a);
  });
}

std::vector<uint32_t> ResidencyPolicy::Next(size_t count) const {
  std::vector<uint32_t> next;
  if (current_ < 0 || (adaptive_ && !regular())) return next;
  uint32_t at = static_cast<uint32_t>(current_);
  while (next.size() < count) {
    at = adaptive_ ? successor_[at] : (at + 1) % static_cast<uint32_t>(successor_.size());
    if (at == current_ || std::ranges::find(next, at) != next.end()) break;
    next.push_back(at);
  }
  return next;
}

}  // namespace tinyai
