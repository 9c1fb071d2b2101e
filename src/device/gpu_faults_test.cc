#include <gtest/gtest.h>

#include <chrono>

#include "device/device_test_support.h"
#include "device/glsl_stage.h"
#include "device/lower_eval.h"
#include "device/program_input.h"
#include "gpu/gpu_faults.h"
#include "gpu/gpu_test_support.h"

// What a GPU may do wrong while a program runs: the run ends with an error that says so, soon, and
// the process goes on.
namespace tinyai {
namespace {

struct Failing {
  RandomProgram random = MakeRandomProgram({.statements = 12, .floats = false}, 3);
  CompiledProgram compiled = PlanAtRandom(random, {.places = 3, .alignment = 256}, 3);

  // With that submit going wrong.
  std::optional<Error> Run(GpuDevice& device, GpuFault fault, int which) {
    FailAtSubmit(device, fault, which);
    Budget budget("test", Budget::kUnlimited);
    ProgramInput input(random.input);
    RunOptions options;
    options.gpu = &device;
    options.patience = std::chrono::milliseconds(50);
    const Result<ProgramRun> run = RunProgram(compiled, input, budget, options);
    EXPECT_EQ(budget.used_bytes(), 0u);
    return run ? std::nullopt : std::optional(run.error());
  }
};

TEST(GpuFaults, ADeviceThatIsLostAtAnySubmitEndsTheRunAlone) {
  Failing failing;
  int which = 0;
  for (;; ++which) {
    TINYAI_NEEDS_GPU(device);
    const std::optional<Error> error = failing.Run(*device, GpuFault::kLost, which);
    if (!SubmitHasFailed()) break;
    ASSERT_TRUE(error) << which;
    EXPECT_EQ(error->key, "DEVICE_LOST") << which;
    EXPECT_TRUE(device->lost());
  }
  EXPECT_GT(which, 1);
  Budget budget("test", Budget::kUnlimited);
  ProgramInput input(failing.random.input);
  EXPECT_TRUE(RunProgram(failing.compiled, input, budget));  // threads in its place
}

TEST(GpuFaults, AWaitThatNeverEndsIsGivenUpWithTheCommand) {
  Failing failing;
  int which = 0, timeouts = 0;
  for (;; ++which) {
    TINYAI_NEEDS_GPU(device);
    const auto begin = std::chrono::steady_clock::now();
    const std::optional<Error> error = failing.Run(*device, GpuFault::kSilent, which);
    if (!SubmitHasFailed()) break;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
    if (!error) continue;  // a later one of its place told as much
    ++timeouts;
    EXPECT_EQ(error->key, "DEVICE_TIMEOUT") << error->message;
    EXPECT_EQ(static_cast<int>(error->code), 1);
    EXPECT_NE(error->message.find("has not ended command"), std::string::npos) << error->message;
    EXPECT_TRUE(device->lost());
  }
  EXPECT_GT(timeouts, 0) << "of " << which;
}

// What every device has (Vulkan 1.2, table 53): 128 invocations in a group, 16 KiB that they share,
// 65535 groups. No kernel asks for more, nor for anything of subgroups.
TEST(GpuFaults, KernelsKeepToWhatEveryDeviceHas) {
  const GpuInfo info{.features = {true, true, true, true}};
  uint64_t kernels = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const RandomProgram random = MakeRandomProgram({}, seed);
    for (const Eval& eval : random.program.evals) {
      if (eval.input || eval.outs.empty()) continue;
      for (const Stage& stage : LowerEval(random.program, eval, UsualDevices().places[1]).stages) {
        const Result<std::vector<GlslKernel>> written = WriteGlsl(stage, info);
        if (!written) continue;
        for (const GlslKernel& kernel : *written) {
          ++kernels;
          EXPECT_LE(kernel.groups, 65535u);
          const size_t size = kernel.text.find("local_size_x = ");
          ASSERT_NE(size, std::string::npos) << kernel.text;
          EXPECT_LE(std::stoul(kernel.text.substr(size + 15)), 128u);
          EXPECT_EQ(kernel.text.find("subgroup"), std::string::npos);
          const size_t shared = kernel.text.find("\nshared ");
          if (shared == std::string::npos) continue;
          const size_t open = kernel.text.find('[', shared);
          EXPECT_LE(std::stoul(kernel.text.substr(open + 1)) * sizeof(double), 16u << 10);
        }
      }
    }
  }
  EXPECT_GT(kernels, 300u);
}

TEST(GpuFaults, ABufferLargerThanAKernelMaySeeIsRefusedByName) {
  TINYAI_NEEDS_GPU(device);
  const RandomProgram random = MakeRandomProgram({.statements = 12, .floats = false}, 3);
  const CompiledProgram compiled = PlanAtRandom(random, {.places = 2, .alignment = 256}, 3);
  LimitRange(*device, 2);
  Budget budget("test", Budget::kUnlimited);
  ProgramInput input(random.input);
  const Result<ProgramRun> run = RunProgram(compiled, input, budget, {.gpu = device.get()});
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().key, "GPU_FEATURE");
  EXPECT_EQ(budget.used_bytes(), 0u);
}

}  // namespace
}  // namespace tinyai
