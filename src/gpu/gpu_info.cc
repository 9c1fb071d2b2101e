#include "gpu/gpu_info.h"

#include <algorithm>
#include <charconv>

#include "fmt/format.h"

namespace tinyai {
namespace {

std::string Lowered(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lowered;
}

std::string Listed(const std::vector<GpuInfo>& gpus) {
  std::string text;
  for (size_t i = 0; i < gpus.size(); ++i) {
    text +=
        fmt::format("{}{}: {} ({})", i == 0 ? "" : ", ", i, gpus[i].name, FormatUuid(gpus[i].uuid));
  }
  return text.empty() ? "none" : text;
}

}  // namespace

std::string FormatUuid(const std::array<uint8_t, 16>& uuid) {
  std::string text;
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", uuid[i]);
  }
  return text;
}

Result<size_t> ChooseGpu(const std::vector<GpuInfo>& gpus, std::string_view wish) {
  const auto missing = [&](std::string_view why) {
    return Fail(ErrorCode::kUnsupported, "GPU_MISSING",
                fmt::format("{}; there is: {}", why, Listed(gpus)));
  };
  if (gpus.empty()) return missing("no GPU");
  if (wish.empty()) {
    const auto found =
        std::find_if(gpus.begin(), gpus.end(), [](const GpuInfo& gpu) { return !gpu.software; });
    return found == gpus.end() ? 0 : static_cast<size_t>(found - gpus.begin());
  }
  size_t number = 0;
  const auto parsed = std::from_chars(wish.data(), wish.data() + wish.size(), number);
  if (parsed.ec == std::errc() && parsed.ptr == wish.data() + wish.size() && wish.size() < 4) {
    if (number < gpus.size()) return number;
    return missing(fmt::format("no GPU number {}", number));
  }
  const std::string lowered = Lowered(wish);
  std::vector<size_t> found;
  for (size_t i = 0; i < gpus.size(); ++i) {
    if (FormatUuid(gpus[i].uuid) == lowered) return i;
    if (Lowered(gpus[i].name).find(lowered) != std::string::npos) found.push_back(i);
  }
  if (found.size() == 1) return found[0];
  return missing(
      fmt::format("{} GPU is called '{}'", found.empty() ? "no" : "more than one", wish));
}

}  // namespace tinyai
