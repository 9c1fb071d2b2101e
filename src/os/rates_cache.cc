#include "os/rates_cache.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <span>
#include <vector>

#include "fmt/format.h"
#include "os/text_file.h"

// tinyai rates 5
// machine AMD EPYC, 2 CPUs
// threads 2
// memory_bytes_per_second 21000000000
// ...
// alone_memory_bytes_per_second 11000000000
// ...
namespace tinyai {
namespace {

constexpr const char* kFile = "rates";
constexpr std::string_view kTitle = "tinyai rates 5";

struct Field {
  std::string_view name;
  double Rates::*value;
  bool may_be_zero = false;
};
constexpr std::string_view kAlone = "alone_", kThreads = "threads ";
constexpr Field kFields[] = {
    {"disk_bytes_per_second", &Rates::disk_bytes_per_second},
    {"request_seconds", &Rates::request_seconds},
    {"spill_bytes_per_second", &Rates::spill_bytes_per_second},
    {"fetch_bytes_per_second", &Rates::fetch_bytes_per_second},
};
// What depends on how many threads there are.
constexpr Field kThreadFields[] = {
    {"memory_bytes_per_second", &Rates::memory_bytes_per_second},
    {"product_bytes_per_second", &Rates::product_bytes_per_second},
    {"meeting_seconds", &Rates::meeting_seconds, true},  // where it is lost in the noise
    {"compute_macs_per_second", &Rates::compute_macs_per_second},
};

// Positive, finite, and far inside what arithmetic on rates can bear.
bool Plausible(const Field& field, double value) {
  if (field.may_be_zero && value == 0) return true;
  return std::isfinite(value) && value >= 1e-9 && value <= 1e18;
}

bool ParseField(std::string_view line, std::string_view prefix, const Field& field, Rates& rates) {
  if (!line.starts_with(prefix)) return false;
  line.remove_prefix(prefix.size());
  if (!line.starts_with(field.name)) return false;
  line.remove_prefix(field.name.size());
  if (!line.starts_with(' ')) return false;
  line.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc() || end != line.data() + line.size()) return false;
  if (!Plausible(field, value)) return false;
  rates.*field.value = value;
  return true;
}

template <size_t kCount>
bool ParseFields(std::span<const std::string_view>& lines, std::string_view prefix,
                 const Field (&fields)[kCount], Rates& rates) {
  if (lines.size() < kCount) return false;
  for (size_t i = 0; i < kCount; ++i) {
    if (!ParseField(lines[i], prefix, fields[i], rates)) return false;
  }
  lines = lines.subspan(kCount);
  return true;
}

// "threads 2".
bool ParseThreads(std::string_view line, uint32_t& threads) {
  if (!line.starts_with(kThreads)) return false;
  line.remove_prefix(kThreads.size());
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), threads);
  return error == std::errc() && end == line.data() + line.size() && threads > 0 &&
         line == std::to_string(threads);
}

}  // namespace

Rates MachineRates::With(uint32_t count) const {
  if (count >= threads) return together;
  Rates out = together;
  for (double Rates::*const rate :
       {&Rates::memory_bytes_per_second, &Rates::product_bytes_per_second,
        &Rates::compute_macs_per_second}) {
    out.*rate = std::min(alone.*rate * std::max(count, 1u), together.*rate);
  }
  if (count <= 1) {
    for (const Field& field : kThreadFields) out.*field.value = alone.*field.value;
  }
  return out;
}

std::optional<MachineRates> LoadRates(const CacheDirectory& cache, std::string_view machine) {
  const std::optional<std::string> text = cache.Read(kFile);
  return text ? ParseRates(*text, machine) : std::nullopt;
}

Status SaveRates(const CacheDirectory& cache, std::string_view machine, const MachineRates& rates) {
  return cache.Write(kFile, FormatRates(machine, rates));
}

std::string FormatRates(std::string_view machine, const MachineRates& rates) {
  std::string text =
      fmt::format("{}\nmachine {}\n{}{}\n", kTitle, machine, kThreads, rates.threads);
  const auto add = [&](std::string_view prefix, std::span<const Field> fields, const Rates& from) {
    for (const Field& field : fields) {
      text += fmt::format("{}{} {}\n", prefix, field.name, from.*field.value);
    }
  };
  add("", kFields, rates.together);
  add("", kThreadFields, rates.together);
  add(kAlone, kThreadFields, rates.alone);
  return text;
}

std::optional<MachineRates> ParseRates(std::string_view text, std::string_view machine) {
  if (!text.ends_with('\n') || text.find("\n\n") != std::string_view::npos) return std::nullopt;
  const auto all = Split(text, '\n');
  if (all.size() < 3 || all[0] != kTitle) return std::nullopt;
  if (all[1] != fmt::format("machine {}", machine)) return std::nullopt;
  MachineRates rates;
  if (!ParseThreads(all[2], rates.threads)) return std::nullopt;
  std::span<const std::string_view> lines = std::span(all).subspan(3);
  if (!ParseFields(lines, "", kFields, rates.together)) return std::nullopt;
  if (!ParseFields(lines, "", kThreadFields, rates.together)) return std::nullopt;
  rates.alone = rates.together;
  if (!ParseFields(lines, kAlone, kThreadFields, rates.alone)) return std::nullopt;
  if (!lines.empty()) return std::nullopt;
  rates.together.measured = rates.alone.measured = true;
  return rates;
}

}  // namespace tinyai
