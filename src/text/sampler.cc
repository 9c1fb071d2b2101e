#include "text/sampler.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "text/exact_exp.h"

namespace tinyai {
namespace {

bool IsBetter(const std::pair<float, TokenId>& a, const std::pair<float, TokenId>& b) {
  return a.first != b.first ? a.first > b.first : a.second < b.second;
}

Status CheckRange(std::string_view name, double value, double low, double high) {
  if (value >= low && value <= high) return {};  // NaN is not
  return Fail(ErrorCode::kUsage, "BAD_OPTION",
              fmt::format("{} is {}; it must be between {} and {}", name, value, low, high));
}

// The id of the greatest logit, the lowest of equals. Error if a logit is NaN.
Result<TokenId> Greatest(std::span<const float> logits) {
  size_t best = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i])) {
      return Fail(ErrorCode::kOther, "NUMERIC_NAN",
                  fmt::format("the logit of token {} is not a number; `tinyai verify` finds "
                              "weights that are damaged",
                              i));
    }
    if (logits[i] > logits[best]) best = i;
  }
  return static_cast<TokenId>(best);
}

}  // namespace

Status Check(const SamplerOptions& options) {
  constexpr double kMost = 1e6;  // far past any use; keeps quotients of logits finite
  TRY(CheckRange("--temp", options.temperature, 0, kMost));
  TRY(CheckRange("--top-p", options.top_p, 0, 1));
  TRY(CheckRange("--min-p", options.min_p, 0, 1));
  TRY(CheckRange("--repeat-penalty", options.repeat_penalty, 1 / kMost, kMost));
  return CheckRange("--repeat-last-n", options.repeat_last_n, -1, INT32_MAX);
}

Sampler::Sampler(const SamplerOptions& options) : options_(options), random_(options.seed) {}

Result<TokenId> Sampler::Next(std::span<float> logits, std::span<const TokenId> history) {
  if (logits.empty()) return Fail(ErrorCode::kOther, "NO_LOGITS", "there are no logits");
  TRY(Greatest(logits));  // a NaN would be lost among the penalties
  Penalise(logits, history);
  TRY_ASSIGN(const TokenId best, Greatest(logits));
  if (options_.temperature <= 0 || std::isinf(logits[best])) return best;
  KeepTopK(logits);
  KeepLikely();
  return Draw();
}

// Moves the logits of the tokens that came lately towards "less likely", each once.
void Sampler::Penalise(std::span<float> logits, std::span<const TokenId> history) {
  if (options_.repeat_penalty == 1.0f || options_.repeat_last_n == 0) return;
  size_t window = history.size();
  if (options_.repeat_last_n > 0) {
    window = std::min<size_t>(window, static_cast<size_t>(options_.repeat_last_n));
  }
  recent_.assign(history.end() - static_cast<ptrdiff_t>(window), history.end());
  std::sort(recent_.begin(), recent_.end());
  recent_.erase(std::unique(recent_.begin(), recent_.end()), recent_.end());
  for (const TokenId token : recent_) {
    if (token < 0 || static_cast<size_t>(token) >= logits.size()) continue;
    float& logit = logits[token];
    logit = logit <= 0 ? logit * options_.repeat_penalty : logit / options_.repeat_penalty;
  }
}

void Sampler::KeepTopK(std::span<const float> logits) {
  candidates_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) candidates_[i] = {logits[i], static_cast<TokenId>(i)};
  size_t keep = candidates_.size();
  if (options_.top_k > 0) keep = std::min<size_t>(keep, static_cast<size_t>(options_.top_k));
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(keep),
                    candidates_.end(), IsBetter);
  candidates_.resize(keep);
}

// Top-p: the shortest beginning that has that share of the probability. Then min-p: those at least
// that share as likely as the best. Both at temperature 1.
void Sampler::KeepLikely() {
  const double best = candidates_.front().first;
  weights_.resize(candidates_.size());
  double sum = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    weights_[i] = ExpOfNegative(candidates_[i].first - best);
    sum += weights_[i];
  }
  size_t keep = candidates_.size();
  if (options_.top_p < 1.0f) {
    double reached = 0;
    keep = 0;
    while (keep < candidates_.size() && (keep == 0 || reached < options_.top_p * sum)) {
      reached += weights_[keep++];
    }
  }
  while (keep > 1 && weights_[keep - 1] < options_.min_p) --keep;
  candidates_.resize(keep);
}

TokenId Sampler::Draw() {
  const double best = candidates_.front().first;
  weights_.resize(candidates_.size());
  double sum = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    weights_[i] = ExpOfNegative((candidates_[i].first - best) / options_.temperature);
    sum += weights_[i];
  }
  double left = Uniform() * sum;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    left -= weights_[i];
    if (left < 0) return candidates_[i].second;
  }
  return candidates_.front().second;  // rounding used up the last bit
}

double Sampler::Uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

std::vector<std::pair<TokenId, float>> TopLogits(std::span<const float> logits, size_t k) {
  std::vector<std::pair<float, TokenId>> best;
  best.reserve(std::min(k, logits.size()) + 1);
  for (size_t i = 0; i < logits.size() && k > 0; ++i) {
    const std::pair<float, TokenId> item(logits[i], static_cast<TokenId>(i));
    if (best.size() == k && !IsBetter(item, best.back())) continue;
    best.insert(std::upper_bound(best.begin(), best.end(), item, IsBetter), item);
    if (best.size() > k) best.pop_back();
  }
  std::vector<std::pair<TokenId, float>> top;
  top.reserve(best.size());
  for (const auto& [logit, id] : best) top.emplace_back(id, logit);
  return top;
}

}  // namespace tinyai
