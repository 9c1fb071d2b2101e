#include "base/dtype.h"

#include <array>
#include <cstdlib>

namespace tinyai {
namespace {

constexpr std::array kTypes = {
    DTypeInfo{DType::kF32, "F32", 1, 4},       DTypeInfo{DType::kF16, "F16", 1, 2},
    DTypeInfo{DType::kQ4_0, "Q4_0", 32, 18},   DTypeInfo{DType::kQ4_1, "Q4_1", 32, 20},
    DTypeInfo{DType::kQ5_0, "Q5_0", 32, 22},   DTypeInfo{DType::kQ5_1, "Q5_1", 32, 24},
    DTypeInfo{DType::kQ8_0, "Q8_0", 32, 34},   DTypeInfo{DType::kQ4_K, "Q4_K", 256, 144},
    DTypeInfo{DType::kQ5_K, "Q5_K", 256, 176}, DTypeInfo{DType::kQ6_K, "Q6_K", 256, 210},
    DTypeInfo{DType::kBF16, "BF16", 1, 2},     DTypeInfo{DType::kInt2, "INT2", 32, 10},
};

}  // namespace

const DTypeInfo& Info(DType type) {
  for (const DTypeInfo& info : kTypes) {
    if (info.type == type) return info;
  }
  std::abort();  // every enumerator has an entry
}

std::optional<DType> DTypeFromGguf(uint32_t id) {
  for (const DTypeInfo& info : kTypes) {
    if (IsGguf(info.type) && static_cast<uint32_t>(info.type) == id) return info.type;
  }
  return std::nullopt;
}

std::optional<DType> DTypeFromName(std::string_view name) {
  const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; };
  for (const DTypeInfo& info : kTypes) {
    bool same = info.name.size() == name.size();
    for (size_t i = 0; same && i < name.size(); ++i) same = upper(name[i]) == info.name[i];
    if (same) return info.type;
  }
  return std::nullopt;
}

}  // namespace tinyai
