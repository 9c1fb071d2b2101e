#include "os/cpu_mask.h"

#include <algorithm>
#include <charconv>

#include "base/escape.h"
#include "fmt/format.h"
#include "os/machine.h"
#include "os/text_file.h"

namespace tinyai {
namespace {

constexpr uint32_t kMostCpus = 65'536;

tl::unexpected<Error> BadMask(std::string_view text) {
  return Fail(ErrorCode::kUsage, "BAD_CPU_MASK",
              fmt::format("'{}' is not a set of CPUs; write a list such as 0,2-5 or a mask such as "
                          "0x3C",
                          EscapeControl(text.substr(0, 100))));
}

// Hexadecimal digits, the last one holding CPUs 0 to 3.
bool ParseMask(std::string_view digits, std::vector<uint32_t>& cpus) {
  if (digits.empty() || digits.size() > kMostCpus / 4) return false;
  for (size_t i = 0; i < digits.size(); ++i) {
    const char* const digit = &digits[digits.size() - 1 - i];
    uint32_t value = 0;
    if (std::from_chars(digit, digit + 1, value, 16).ec != std::errc()) return false;
    for (uint32_t bit = 0; bit < 4; ++bit) {
      if ((value >> bit & 1) != 0) cpus.push_back(static_cast<uint32_t>(4 * i + bit));
    }
  }
  return true;
}

// "3" or "2-5".
bool ParseRange(std::string_view text, std::vector<uint32_t>& cpus) {
  const char* const end = text.data() + text.size();
  uint32_t first = 0, last = 0;
  auto [rest, error] = std::from_chars(text.data(), end, first);
  if (error != std::errc()) return false;
  last = first;
  if (rest != end) {
    if (*rest != '-') return false;
    const auto second = std::from_chars(rest + 1, end, last);
    if (second.ec != std::errc() || second.ptr != end) return false;
  }
  if (last < first || last >= kMostCpus) return false;
  for (uint32_t cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  return true;
}

}  // namespace

Result<std::vector<uint32_t>> ParseCpuMask(std::string_view text) {
  std::vector<uint32_t> cpus;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    if (!ParseMask(text.substr(2), cpus)) return BadMask(text);
  } else {
    // A text that ends in a comma, or has two in a row, has an empty part.
    if (text.empty() || text.front() == ',' || text.back() == ',') return BadMask(text);
    if (text.size() > kMostCpus || text.find(",,") != std::string_view::npos) return BadMask(text);
    for (const std::string_view part : Split(text, ',')) {
      if (cpus.size() > kMostCpus || !ParseRange(part, cpus)) return BadMask(text);
    }
  }
  if (cpus.empty()) return BadMask(text);
  std::ranges::sort(cpus);
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

Result<std::vector<uint32_t>> ChooseCpus(const std::vector<uint32_t>& mask, uint32_t threads) {
  std::vector<uint32_t> usable = AllowedCpus();
  if (!mask.empty()) {
    std::erase_if(usable, [&](uint32_t cpu) { return !std::ranges::binary_search(mask, cpu); });
  }
  if (usable.empty()) {
    return Fail(ErrorCode::kUsage, "BAD_CPU_MASK", "this process may use none of these CPUs");
  }
  std::vector<uint32_t> chosen = OneCpuPerCore(usable);
  const size_t cores = chosen.size();
  for (const uint32_t cpu : usable) {
    const auto end = chosen.begin() + static_cast<ptrdiff_t>(cores);
    if (std::find(chosen.begin(), end, cpu) == end) chosen.push_back(cpu);
  }
  if (chosen.size() > threads) chosen.resize(std::max<size_t>(threads, 1));
  return chosen;
}

}  // namespace tinyai
