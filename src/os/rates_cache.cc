#include "os/rates_cache.h"

#include <charconv>
#include <cmath>

#include "fmt/format.h"
#include "os/text_file.h"

// tinyai rates 4
// machine AMD EPYC, 2 CPUs
// memory_bytes_per_second 21000000000
// ...
namespace tinyai {
namespace {

constexpr const char* kFile = "rates";
constexpr std::string_view kTitle = "tinyai rates 4";

struct Field {
  std::string_view name;
  double Rates::*value;
  bool may_be_zero = false;
};
constexpr Field kFields[] = {
    {"memory_bytes_per_second", &Rates::memory_bytes_per_second},
    {"disk_bytes_per_second", &Rates::disk_bytes_per_second},
    {"product_bytes_per_second", &Rates::product_bytes_per_second},
    {"meeting_seconds", &Rates::meeting_seconds, true},  // where it is lost in the noise
    {"compute_macs_per_second", &Rates::compute_macs_per_second},
    {"request_seconds", &Rates::request_seconds},
    {"spill_bytes_per_second", &Rates::spill_bytes_per_second},
    {"fetch_bytes_per_second", &Rates::fetch_bytes_per_second},
};

// Positive, finite, and far inside what arithmetic on rates can bear.
bool Plausible(const Field& field, double value) {
  if (field.may_be_zero && value == 0) return true;
  return std::isfinite(value) && value >= 1e-9 && value <= 1e18;
}

bool ParseField(std::string_view line, const Field& field, Rates& rates) {
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

}  // namespace

std::optional<Rates> LoadRates(const CacheDirectory& cache, std::string_view machine) {
  const std::optional<std::string> text = cache.Read(kFile);
  return text ? ParseRates(*text, machine) : std::nullopt;
}

Status SaveRates(const CacheDirectory& cache, std::string_view machine, const Rates& rates) {
  return cache.Write(kFile, FormatRates(machine, rates));
}

std::string FormatRates(std::string_view machine, const Rates& rates) {
  std::string text = fmt::format("{}\nmachine {}\n", kTitle, machine);
  for (const Field& field : kFields) {
    text += fmt::format("{} {}\n", field.name, rates.*field.value);
  }
  return text;
}

std::optional<Rates> ParseRates(std::string_view text, std::string_view machine) {
  if (!text.ends_with('\n') || text.find("\n\n") != std::string_view::npos) return std::nullopt;
  const auto lines = Split(text, '\n');
  if (lines.size() != 2 + std::size(kFields) || lines[0] != kTitle) return std::nullopt;
  if (lines[1] != fmt::format("machine {}", machine)) return std::nullopt;
  Rates rates;
  for (size_t i = 0; i < std::size(kFields); ++i) {
    if (!ParseField(lines[2 + i], kFields[i], rates)) return std::nullopt;
  }
  rates.measured = true;
  return rates;
}

}  // namespace tinyai
