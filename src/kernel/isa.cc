#include "kernel/isa.h"

#include <cstdint>

#include "hwy/highway.h"

namespace tinyai {
namespace {

struct Isa {
  int64_t target;
  std::string_view name;
};

// Best first, as Highway orders its targets.
constexpr Isa kIsas[] = {
    {HWY_AVX3_DL, "avx512_vnni"}, {HWY_AVX3, "avx512"},   {HWY_AVX2, "avx2"},
    {HWY_SSE4, "sse4"},           {HWY_SSSE3, "ssse3"},   {HWY_NEON, "neon"},
    {HWY_EMU128, "emu128"},       {HWY_SCALAR, "scalar"},
};

// What the machine has. Read before any restriction, which would hide the rest.
int64_t MachineTargets() {
  static const int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  return targets;
}

std::string Join(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

}  // namespace

std::vector<std::string> SupportedIsas() {
  std::vector<std::string> names;
  for (const Isa& isa : kIsas) {
    if (MachineTargets() & isa.target) names.emplace_back(isa.name);
  }
  return names;
}

std::string ActiveIsa() {
  const int64_t machine = MachineTargets();
  const int64_t usable = hwy::SupportedTargets() & machine;
  for (const Isa& isa : kIsas) {
    if (usable & isa.target) return std::string(isa.name);
  }
  return "none";
}

Status UseIsa(std::string_view name) {
  for (const Isa& isa : kIsas) {
    if (isa.name != name || !(MachineTargets() & isa.target)) continue;
    hwy::SetSupportedTargetsForTest(isa.target);
    hwy::GetChosenTarget().Update(isa.target);
    return {};
  }
  return Fail(ErrorCode::kUnsupported, "ISA_UNSUPPORTED",
              "instruction set '" + std::string(name) +
                  "' is not available on this machine; available: " + Join(SupportedIsas()));
}

}  // namespace tinyai
