#include "search_flags.h"

#include <chrono>

#include "fmt/format.h"

namespace tinyai {
namespace {

using Clock = SearchLimits::Clock;

constexpr double kMostSeconds = 1e6;

}  // namespace

void SearchFlags::Add(Flags& flags) {
  flags.Value("--time", "SECONDS", "the best found in so long, fractions allowed",
              [this](std::string_view text) -> Status {
                TRY_ASSIGN(most_seconds_, ParseDecimal(text));
                if (*most_seconds_ >= 0 && *most_seconds_ <= kMostSeconds) return {};
                return Fail(ErrorCode::kUsage, "BAD_OPTION",
                            fmt::format("{} is not within 0 and {}", text, kMostSeconds));
              });
  flags.Switch("--fast", "heuristics and bounds only", &fast_);
  flags.Switch("--exact", "search until the optimum is proved", &exact_);
}

Status SearchFlags::Check() const {
  if (!fast_ || !exact_) return {};
  return Fail(ErrorCode::kUsage, "BAD_OPTION", "--fast and --exact exclude each other");
}

SearchLimits SearchFlags::Limits() const {
  SearchLimits out;
  out.effort = fast_ ? Effort::kFast : exact_ ? Effort::kExact : Effort::kNormal;
  if (most_seconds_) {
    out.deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(*most_seconds_));
  }
  return out;
}

}  // namespace tinyai
