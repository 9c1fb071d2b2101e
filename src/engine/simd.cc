#include "engine/simd.h"

#include <algorithm>
#include <condition_variable>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/isa.h"

namespace tinyai {
namespace {

// The level that an instruction set of kernel/isa.h belongs to.
int LevelOf(std::string_view isa) {
  if (isa == "scalar" || isa == "emu128") return 0;
  if (isa == "ssse3" || isa == "sse4" || isa == "neon") return 1;
  if (isa == "avx2") return 2;
  return 3;
}

int BitsOf(std::string_view isa) {
  constexpr int kBits[] = {0, 128, 256, 512};
  return kBits[LevelOf(isa)];
}

// The best that this machine has and that is not above the level.
std::string IsaFor(int level) {
  const std::vector<std::string> isas = SupportedIsas();  // best first
  for (const std::string& isa : isas) {
    if (LevelOf(isa) <= level) return isa;
  }
  return isas.back();
}

SimdOp KindOf(const OpKind& kind) {
  if (std::holds_alternative<op::Conv>(kind) || std::holds_alternative<op::ConvTranspose>(kind)) {
    return SimdOp::kConv;
  }
  if (std::holds_alternative<op::Activation>(kind) || std::holds_alternative<op::SiluMul>(kind)) {
    return SimdOp::kActivation;
  }
  if (std::holds_alternative<op::Attention>(kind) || std::holds_alternative<op::Attend>(kind)) {
    return SimdOp::kAttention;
  }
  return SimdOp::kProduct;
}

// Which level the process is at, and how many scopes want it to stay there.
struct Process {
  std::mutex mutex;
  std::condition_variable changed;
  int level = kMostSimdLevel;
  size_t scopes = 0;
};
Process& TheProcess() {
  static Process* const process = new Process();
  return *process;
}

}  // namespace

SimdCapabilities ProbeSimd() {
  SimdCapabilities out;
#if defined(__x86_64__)
  __builtin_cpu_init();
  out.sse2 = __builtin_cpu_supports("sse2");
  out.ssse3 = __builtin_cpu_supports("ssse3");
  out.sse41 = __builtin_cpu_supports("sse4.1");
  out.sse42 = __builtin_cpu_supports("sse4.2");
  out.avx = __builtin_cpu_supports("avx");
  out.avx2 = __builtin_cpu_supports("avx2");
  out.fma = __builtin_cpu_supports("fma");
  out.f16c = __builtin_cpu_supports("f16c");
  out.avx512 = __builtin_cpu_supports("avx512f");
  out.avx512bw = __builtin_cpu_supports("avx512bw");
  out.avx512vnni = __builtin_cpu_supports("avx512vnni");
  out.avx512bf16 = __builtin_cpu_supports("avx512bf16");
#elif defined(__aarch64__)
  out.neon = true;
#endif
  const std::string best = SupportedIsas().front();
  out.vector_bits = BitsOf(best);
  out.max_level = LevelOf(best);
  return out;
}

void SimdSettings::SetLevel(int level) {
  const std::lock_guard lock(mutex_);
  level_ = LevelOf(IsaFor(std::clamp(level, 0, kMostSimdLevel)));
}

int SimdSettings::level() const {
  const std::lock_guard lock(mutex_);
  return LevelOf(IsaFor(level_));
}

Status SimdSettings::Enable(SimdOp op, bool enable) {
  if (enable && LevelOf(SupportedIsas().front()) == 0) {
    return Fail(ErrorCode::kUnsupported, "ISA_UNSUPPORTED",
                "this machine has no vector instructions that this library uses");
  }
  const std::lock_guard lock(mutex_);
  enabled_[static_cast<size_t>(op)] = enable;
  return {};
}

int SimdSettings::LevelFor(std::span<const Op> ops) const {
  const std::lock_guard lock(mutex_);
  for (const Op& op : ops) {
    const SimdOp kind = KindOf(op.kind);
    if (kind == SimdOp::kProduct && !IsProduct(op.kind) &&
        !std::holds_alternative<op::Recurrent>(op.kind)) {
      continue;
    }
    if (!enabled_[static_cast<size_t>(kind)]) return 0;
  }
  return level_;
}

SimdScope::SimdScope(int level) {
  Process& process = TheProcess();
  std::unique_lock lock(process.mutex);
  process.changed.wait(lock, [&] { return process.scopes == 0 || process.level == level; });
  ++process.scopes;
  if (process.level == level) return;
  process.level = level;
  // One of those that the machine has.
  (void)UseIsa(IsaFor(level));
}

SimdScope::~SimdScope() {
  Process& process = TheProcess();
  {
    const std::lock_guard lock(process.mutex);
    --process.scopes;
  }
  process.changed.notify_all();
}

}  // namespace tinyai
