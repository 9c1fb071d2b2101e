#include "engine/drift.h"

#include <algorithm>

namespace tinyai {
namespace {

// Of a pass's time: with more the disk is what a pass waits for.
constexpr double kMostlyWaiting = 0.5;

void ScaleCompute(double times, Rates& rates) {
  rates.memory_bytes_per_second *= times;
  rates.product_bytes_per_second *= times;
  rates.compute_macs_per_second *= times;
  rates.meeting_seconds /= times;
}

}  // namespace

void Drift::Expect(const PlanReport& report) {
  *this = Drift();
  predicted_seconds_ = 1 / report.predicted_tokens_per_second;
  compute_seconds_ = report.compute_seconds_per_token;
  pass_bytes_ = report.pass_bytes;
}

void Drift::Add(const MeasuredPass& pass) {
  ++passes_;
  sum_.seconds += pass.seconds;
  sum_.stall_seconds += pass.stall_seconds;
  sum_.streamed_bytes += pass.streamed_bytes;
}

std::optional<Rates> Drift::Contradiction(const Rates& planned) {
  if (passes_ < kPasses) return std::nullopt;
  const double seconds = sum_.seconds / passes_, stalled = sum_.stall_seconds / passes_;
  const double read = static_cast<double>(sum_.streamed_bytes) / passes_;
  passes_ = 0;
  sum_ = {};
  if (seconds <= 0 || compute_seconds_ <= 0) return std::nullopt;
  const bool slower = seconds > kFarOff * predicted_seconds_;
  const bool faster = predicted_seconds_ > kFarOff * seconds;
  if (!slower && !faster) return std::nullopt;
  Rates rates = planned;
  rates.measured = true;
  if (read > 0 && (faster || stalled > kMostlyWaiting * seconds)) {
    rates.disk_bytes_per_second =
        faster ? std::max(rates.disk_bytes_per_second, read / seconds) : read / seconds;
  }
  const double computing = std::max(seconds - stalled, 1e-9);
  const bool other_compute =
      faster ? computing < compute_seconds_ : computing > kFarOff * compute_seconds_;
  if (other_compute) ScaleCompute(compute_seconds_ / computing, rates);
  return rates;
}

}  // namespace tinyai
