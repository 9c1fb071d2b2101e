#include "run_report.h"

#include "base/units.h"
#include "engine/drift.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

double Ratio(double amount, double seconds) { return seconds > 0 ? amount / seconds : 0; }

uint64_t ReadBytes(const ExecutorStats& stats) {
  return stats.streamed_bytes + stats.once_bytes + stats.row_bytes;
}

double Milliseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

Json TopLogits(const Generated& generated) {
  Json tokens = Json::array();
  for (const auto& top : generated.top_logits) {
    Json best = Json::array();
    for (const auto& [id, logit] : top) best.push_back(Json::array({id, ToJson(logit)}));
    tokens.push_back(std::move(best));
  }
  return tokens;
}

std::string_view Why(const RunReport& report) {
  if (report.interrupted) return "then stopped by a signal";
  switch (report.generated.reason) {
    case StopReason::kEnd:
      return "until the end of the text";
    case StopReason::kLength:
      return "as many as asked for";
    case StopReason::kContext:
      return "until the context was full";
    case StopReason::kCaller:
      return "until a sentence ended";
  }
  return "";
}

// Three significant digits at least, no exponent.
std::string Rate(double value) {
  return fmt::format("{:.{}f}", value, value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2);
}

}  // namespace

double RunReport::prompt_tokens_per_second() const {
  return Ratio(static_cast<double>(prompt.size()), generated.prompt_seconds);
}

double RunReport::tokens_per_second() const {
  const uint64_t passes = generated.after.run.passes - generated.before.run.passes;
  return Ratio(static_cast<double>(passes), generated.generation_seconds);
}

uint64_t RunReport::weights_read_bytes() const { return ReadBytes(stats.run); }

double RunReport::weights_read_bytes_per_token() const {
  const ExecutorStats& before = generated.before.run;
  const ExecutorStats& after = generated.after.run;
  // Weights that stay may still be coming in while the first tokens are made; they are no part of
  // what a token costs.
  const uint64_t bytes =
      after.streamed_bytes + after.row_bytes - before.streamed_bytes - before.row_bytes;
  return Ratio(static_cast<double>(bytes), static_cast<double>(after.passes - before.passes));
}

Json ToJson(const RunReport& report, bool with_top_logits) {
  Json out;
  out["text"] = report.text;
  out["tokens"] = report.generated.tokens;
  out["prompt_token_ids"] = report.prompt;
  out["top_logits"] = with_top_logits ? TopLogits(report.generated) : Json::array();
  out["prompt_tokens_per_second"] = report.prompt_tokens_per_second();
  out["tokens_per_second"] = report.tokens_per_second();
  out["predicted_tokens_per_second"] = report.predicted_tokens_per_second;
  AddStats(report.stats, report.process, "token", report.weights_read_bytes_per_token(), out);
  out["load_ms"] = report.load_seconds * 1000;
  return out;
}

std::string DescribeDrift(const RunReport& report) {
  constexpr size_t kEnoughTokens = 8;
  const double measured = report.tokens_per_second(),
               predicted = report.predicted_tokens_per_second;
  if (report.generated.tokens.size() < kEnoughTokens || measured <= 0 || predicted <= 0) return {};
  if (measured < Drift::kFarOff * predicted && predicted < Drift::kFarOff * measured) return {};
  return fmt::format(
      "the plan said {} tokens/s, it was {}: this machine is not as was {}{}; tinyai doctor "
      "measures it again",
      Rate(predicted), Rate(measured), report.rates_measured ? "measured" : "assumed",
      report.stats.replans == 0 ? "" : ", so it was planned again on the way");
}

std::string Describe(const RunReport& report) {
  const Generated& generated = report.generated;
  std::string out = fmt::format("load        {:.0f} ms\n", report.load_seconds * 1000);
  if (generated.prompt_seconds > 0) {
    out += fmt::format("prompt      {} tokens, {} tokens/s\n", report.prompt.size(),
                       Rate(report.prompt_tokens_per_second()));
    out += fmt::format("generation  {} tokens, {} tokens/s, {}\n", generated.tokens.size(),
                       Rate(report.tokens_per_second()), Why(report));
  } else {
    out += fmt::format("prompt      {} tokens, {}\n", report.prompt.size(), Why(report));
  }
  return out + DescribeMemory(report.stats) + "\n" +
         DescribeDisk(report.stats, "token",
                      static_cast<uint64_t>(report.weights_read_bytes_per_token()));
}

std::string DescribeMemory(const SessionStats& stats) {
  return fmt::format("memory      {} at most, budget {}; {} of weights stay",
                     FormatByteSize(stats.counted_peak_bytes), FormatByteSize(stats.budget_bytes),
                     FormatByteSize(stats.resident_weight_bytes));
}

std::string DescribeDisk(const SessionStats& stats, std::string_view unit,
                         uint64_t bytes_per_unit) {
  return fmt::format("disk        {} read in all ({}), {} per {}; waited {:.0f} ms",
                     FormatByteSize(ReadBytes(stats.run)), Name(stats.io_path),
                     FormatByteSize(bytes_per_unit), unit, Milliseconds(stats.run.stall));
}

void AddStats(const SessionStats& stats, const ProcessStats& process, std::string_view unit,
              double bytes_per_unit, Json& out) {
  out["budget_bytes"] = stats.budget_bytes;
  out["counted_peak_bytes"] = stats.counted_peak_bytes;
  out["process_peak_bytes"] = process.peak_resident_bytes;
  out["resident_weight_bytes"] = stats.resident_weight_bytes;
  out["weights_read_bytes"] = ReadBytes(stats.run);
  out[fmt::format("weights_read_bytes_per_{}", unit)] = bytes_per_unit;
  out["disk_read_bytes"] = process.disk_read_bytes;
  out["io_path"] = Name(stats.io_path);
  out["replans"] = stats.replans;
  out["stall_ms"] = Milliseconds(stats.run.stall);
}

}  // namespace tinyai
