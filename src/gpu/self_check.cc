#include "gpu/self_check.h"

#include <array>
#include <cmath>
#include <cstring>
#include <functional>

#include "fmt/format.h"
#include "gpu/compile_glsl.h"

namespace tinyai {
namespace {

constexpr uint32_t kElements = 256;  // of each buffer, 4 bytes each
constexpr uint64_t kBytes = kElements * sizeof(uint32_t);
constexpr std::chrono::seconds kTimeout(10);

using Words = std::array<uint32_t, kElements>;

struct Probe {
  std::string_view name;
  std::string_view body;  // of main: from x to y, element i
  std::function<double(const Words& x, uint32_t i)> right;
  bool whole;    // numbers are uint, else float
  double bound;  // relative error that is right
};

constexpr std::string_view kFrame = R"(#version 450
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) readonly buffer X { uint x[]; };
layout(set = 0, binding = 1) writeonly buffer Y { uint y[]; };
shared uint part[64];
float X_f(uint i) { return uintBitsToFloat(x[i]); }
void main() {
  uint i = gl_GlobalInvocationID.x;
)";

float Float(uint32_t word) { return std::bit_cast<float>(word); }

std::vector<Probe> Probes() {
  return {
      {"whole numbers", "y[i] = (x[i] * 2654435761u + (x[i] >> 7)) ^ (x[i] / 3u);",
       [](const Words& x, uint32_t i) {
         return static_cast<double>((x[i] * 2654435761u + (x[i] >> 7)) ^ (x[i] / 3u));
       },
       true, 0},
      {"floats",
       "precise float a = X_f(i) * 1.5; precise float b = a + 0.1; y[i] = floatBitsToUint(b);",
       [](const Words& x, uint32_t i) {
         const float a = Float(x[i]) * 1.5f;
         return static_cast<double>(a + 0.1f);
       },
       false, 0},
      {"exp", "y[i] = floatBitsToUint(exp(X_f(i)));",
       [](const Words& x, uint32_t i) { return std::exp(static_cast<double>(Float(x[i]))); }, false,
       2e-6},
      {"transpose", "y[i] = x[(i % 16u) * 16u + i / 16u];",
       [](const Words& x, uint32_t i) { return static_cast<double>(x[i % 16 * 16 + i / 16]); },
       true, 0},
      {"shared sum", R"(uint t = gl_LocalInvocationID.x;
  part[t] = x[i] & 1023u;
  for (uint half_size = 32u; half_size > 0u; half_size /= 2u) {
    barrier();
    if (t < half_size) part[t] += part[t + half_size];
  }
  barrier();
  y[i] = part[0];)",
       [](const Words& x, uint32_t i) {
         uint32_t sum = 0;
         for (uint32_t j = 0; j < 64; ++j) sum += x[i / 64 * 64 + j] & 1023u;
         return static_cast<double>(sum);
       },
       true, 0},
  };
}

Status Compare(const Probe& probe, const Words& x, const Words& y, const GpuDevice& device) {
  for (uint32_t i = 0; i < kElements; ++i) {
    const double right = probe.right(x, i);
    const double found = probe.whole ? y[i] : static_cast<double>(Float(y[i]));
    if (std::abs(found - right) <= probe.bound * std::abs(right)) continue;
    return Fail(ErrorCode::kUnsupported, "DEVICE_WRONG_RESULT",
                fmt::format("{} computes wrongly and is not used: kernel '{}', element {}: {} "
                            "instead of {}",
                            device.info().name, probe.name, i, found, right));
  }
  return {};
}

// Whole numbers of all sizes, or floats of both signs below 8.
Words Samples(bool whole) {
  Words x;
  uint32_t state = 12345;
  for (uint32_t i = 0; i < kElements; ++i) {
    state = state * 1664525u + 1013904223u;
    const float small = static_cast<float>(static_cast<int32_t>(state >> 8) - (1 << 23)) * 0x1p-20f;
    x[i] = whole ? state : std::bit_cast<uint32_t>(small);
  }
  return x;
}

}  // namespace

Status CheckGpu(GpuDevice& device) {
  Budget budget("self-test", 8 * kBytes);
  TRY_ASSIGN(GpuArena host,
             device.Allocate(budget, GpuArena::Kind::kHost, 2 * kBytes, "the self-test"));
  TRY_ASSIGN(GpuArena own,
             device.Allocate(budget, GpuArena::Kind::kDevice, 2 * kBytes, "the self-test"));
  TRY_ASSIGN(GpuTimeline done, device.MakeTimeline());
  TRY_ASSIGN(GpuBatch batch, device.MakeBatch());
  uint64_t count = 0;
  for (const Probe& probe : Probes()) {
    const std::string text = std::string(kFrame) + "  " + std::string(probe.body) + "\n}\n";
    TRY_ASSIGN(const std::vector<uint32_t> code, CompileGlsl(probe.name, text));
    TRY_ASSIGN(const GpuKernel kernel, device.MakeKernel(probe.name, code, 2));
    const GpuRange in{&own, 0, kBytes}, out{&own, kBytes, kBytes};
    TRY_ASSIGN(const GpuBinding binding, device.Bind(kernel, std::array{in, out}));
    const Words x = Samples(probe.whole);
    std::memcpy(host.data(), x.data(), kBytes);
    TRY(batch.Begin());
    batch.Copy({&host, 0, kBytes}, in);
    batch.Barrier();
    batch.Dispatch(binding, {}, kElements / 64);
    batch.Barrier();
    batch.Copy(out, {&host, kBytes, kBytes});
    batch.BeforeHost();
    TRY(batch.End());
    TRY(device.Submit(0, batch, {}, std::array{GpuPoint{&done, ++count}}));
    TRY_ASSIGN(const bool ended, done.WaitFor(count, kTimeout));
    if (!ended) {
      return Fail(ErrorCode::kOther, "DEVICE_TIMEOUT",
                  fmt::format("{} has not ended kernel '{}' of the self-test", device.info().name,
                              probe.name));
    }
    Words y;
    std::memcpy(y.data(), host.data() + kBytes, kBytes);
    TRY(Compare(probe, x, y, device));
  }
  return {};
}

}  // namespace tinyai
