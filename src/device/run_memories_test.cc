#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "device/device_test_support.h"
#include "gpu/gpu_test_support.h"
#include "program/program_test_support.h"

// Programs on machines with a memory for each device: whatever is moved, recomputed or sent away,
// they give the same as on one.
namespace tinyai {
namespace {

constexpr std::string_view kApart =
    "memory RAM = 1G;\nmemory VRAM = 1G align 256;\n"
    "device CPU { memory RAM; coordinator; effects input, print, output; }\n"
    "device GPU { memory VRAM; api vulkan; }\n"
    "link RAM -> VRAM = 10us + bytes / 12GB/s;\nlink VRAM -> RAM = 10us + bytes / 12GB/s;\n";
constexpr std::string_view kOwnQueue =
    "memory RAM = 1G;\nmemory VRAM = 13K align 256;\n"
    "device CPU { memory RAM; coordinator; effects input, print, output; }\n"
    "device GPU { queue main, copy; memory VRAM; api vulkan; }\n"
    "link RAM -> VRAM = 10us + bytes / 12GB/s queue GPU.copy;\n"
    "link VRAM -> RAM = 10us + bytes / 12GB/s queue GPU.copy;\n";

constexpr std::string_view kArms =
    "b = input();\nx = input();\ny = input();\nif (b > 0) { z = x + y; } else { z = x - y; }\n"
    "w = z * x;\noutput z, w;\n";
constexpr std::string_view kNested =
    "x = input();\ny = input();\na = x * 3;\nb = y + a;\nif (a > 10) { q = b * 2;\n"
    "if (q > 20) { z = q + x; } else { z = q - x; } } else { z = a + 1; }\nw = z * 2;\n"
    "output w, z;\n";
constexpr std::string_view kChain =
    "s = input();\na = fill(s, [1024]) + iota(1024);\nb = a * 3;\nc = b * 2;\nd = c + c;\n"
    "e = d * c;\nf = e + b;\noutput f;\noutput sum(a);\n";

struct Case {
  std::string_view devices, values, schedule, input;
};
const Case kCases[] = {
    {kApart, kArms, "GPU { z; }\n", "[1, 20, 3]"},
    {kApart, kArms, "GPU { z; }\n", "[-1, 20, 3]"},
    {kApart, kArms, "GPU { z; w; }\n", "[-1, 20, 3]"},
    {kApart, kArms, "GPU { w; }\n", "[1, 20, 3]"},
    {kOwnQueue, kArms, "GPU { z; w; }\n", "[1, 20, 3]"},
    {kApart, kArms, "GPU { z@then; z@else; }\nCPU { z@join; w; }\n", "[-1, 20, 3]"},
    {kApart, kArms, "GPU { z@then; z@else; w; }\n", "[1, 20, 3]"},
    {kApart, kNested, "CPU { if (a > 10) { q; } }\nGPU { z; w; }\n", "[5, 6]"},
    {kApart, kNested, "GPU { b; q@then; z@then; }\nCPU { w; }\n", "[1, 2]"},
    {kApart, kNested, "GPU { b; q@then; }\nCPU { z''@else; z@join'; w; }\n", "[5, 6]"},
    {kApart, kNested, "CPU { a; b; q@then; }\nGPU { z'@else; z@join; w; }\n", "[100, -303]"},
    {kApart, kNested, "GPU { b; if (a > 10) { q; z@then; } }\nCPU { w; }\n", "[100, -303]"},
    {kApart, kChain, "GPU { a; b; c; d; e; f; }\n", "[7]"},
    {kApart, kChain, "GPU { b; c; evict b; d; e; f; }\n", "[7]"},
    {kApart, kChain, "CPU { a; b; }\nGPU { recompute a; c; d; e; f; pin c; }\n", "[7]"},
    {kApart, kChain, "GPU { b; c; d; e; free c; recompute b; f; free e; free b; }\n", "[7]"},
    {kApart, kArms, "CPU { x; y; }\nGPU { z; if (b > 0) { free y; } w; }\nCPU { free x; }\n",
     "[1, 20, 3]"},
    {kOwnQueue, kChain, "GPU { b; c; d; e; f; }\n", "[7]"},
    {kOwnQueue, kChain, "CPU { a; }\nGPU.copy { prefetch a; }\nGPU { b; c; d; e; f; }\n", "[7]"},
};

std::vector<std::string> Outputs(const CompiledProgram& program, std::string_view text,
                                 const RunOptions& options) {
  Budget budget("test", Budget::kUnlimited);
  std::string numbers(text);
  std::erase_if(numbers, [](char c) { return c == '[' || c == ']' || c == ','; });
  ProgramInput input(numbers);
  const Result<ProgramRun> run = RunProgram(program, input, budget, options);
  EXPECT_TRUE(run) << Describe(run.error());
  if (!run) return {};
  EXPECT_FALSE(run->race) << *run->race;
  std::vector<std::string> out = OutputTexts(*run);
  std::sort(out.begin(), out.end());
  return out;
}

void ExpectSame(const RunOptions& options) {
  for (const Case& one : kCases) {
    const Compiled plain = CompileTexts(std::string(one.values), std::nullopt);
    const Machine apart = CompileOn(one.devices, "", one.values, std::string(one.schedule));
    ASSERT_TRUE(apart.compiled.program) << one.schedule << apart.said;
    EXPECT_EQ(Outputs(*apart.compiled.program, one.input, options),
              Outputs(*plain.program, one.input, {}))
        << one.values << apart.compiled.text();
  }
}

TEST(RunMemories, MovingChangesNothing) {
  uint64_t seed = 0;
  RunOptions options;
  options.watch = true;
  options.fill = std::byte{0xa5};
  options.delay = [&](PlaceId place, uint32_t command, const PlacePositions&) {
    if ((Index(place) * 7 + command + seed) % 3 == 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  };
  for (; seed < 6; ++seed) ExpectSame(options);
}

TEST(RunMemories, MovingChangesNothingOnAGpu) {
  TINYAI_NEEDS_GPU(device);
  ExpectSame({.gpu = device.get(), .watch = true});
}

}  // namespace
}  // namespace tinyai
