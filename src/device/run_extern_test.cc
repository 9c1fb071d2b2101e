// Programs that call kernels of their user, at places that are threads.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <span>

#include "device/extern_kernels.h"
#include "device/text_program_test_support.h"
#include "program/read_machine.h"

namespace tinyai {
namespace {

struct Counted {
  std::atomic<int> calls{0};
  float factor = 1;
};

// Each element of the first input times the second, a single number.
int Scale(const TinyAIKernelTensor* inputs, size_t, const TinyAIKernelTensor* outputs, size_t,
          void* user) {
  auto& counted = *static_cast<Counted*>(user);
  ++counted.calls;
  const std::span x(static_cast<const float*>(inputs[0].data), inputs[0].elements);
  const float by = *static_cast<const float*>(inputs[1].data);
  auto* const y = static_cast<float*>(outputs[0].data);
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * by * counted.factor;
  return 0;
}

// One more; fails at 13.
int Next(const TinyAIKernelTensor* inputs, size_t, const TinyAIKernelTensor* outputs, size_t,
         void*) {
  const int32_t x = *static_cast<const int32_t*>(inputs[0].data);
  *static_cast<int32_t*>(outputs[0].data) = x + 1;
  return x == 13 ? 5 : 0;
}

class Extern : public testing::Test {
 protected:
  void SetUp() override {
    gpu_.factor = 1;
    const TinyAIKernel kernels[] = {{"scale", "(f32[n], f32) -> f32[n]", Scale, &cpu_},
                                    {"scale_gpu", nullptr, Scale, &gpu_},
                                    {"next", "(i32) -> i32", Next, nullptr}};
    ASSERT_TRUE(kernels_.Add({TINYAI_KERNELS_VERSION, 3, kernels}, "test"));
    options_.kernels = &kernels_;
    options_.watch = true;
  }

  // Why a program does not run; "" if it does.
  std::string WhyNot(const std::string& values, const std::string& schedule,
                     const std::string& numbers) {
    const Compiled made = CompileTexts(values, schedule, {});
    EXPECT_TRUE(made.program) << made.said;
    if (!made.program) return made.said;
    ProgramInput input(numbers);
    Budget budget("test", Budget::kUnlimited);
    const Result<ProgramRun> run = RunProgram(*made.program, input, budget, options_);
    if (run) return "";
    const auto offset = static_cast<uint32_t>(run.error().offset.value_or(0));
    return made.values_text->Locate(offset) + ": " + std::string(run.error().key) + ": " +
           run.error().message;
  }

  Counted cpu_, gpu_;
  ExternKernels kernels_;
  RunOptions options_;
};

constexpr char kBoth[] =
    "extern fn scale(x: f32[3], by: f32) -> f32[3] { CPU: \"scale\"; GPU: \"scale_gpu\"; };\n"
    "x = input(f32[3]);\na = scale(x, 2.0) + 1.0;\nb = scale(a, 3.0) - x;\noutput b;\n";

TEST_F(Extern, RunsAtEachPlaceTheKernelThatItHasThere) {
  const Compiled made = CompileTexts(kBoth, "GPU { a; }\nCPU { b; }\n", {});
  ASSERT_TRUE(made.program) << made.said;
  ExpectRunsAsItMeans("[1 2 3.5]", made, options_);
  EXPECT_EQ(gpu_.calls, 1);
  EXPECT_EQ(cpu_.calls, 1 + 2);  // and what it means, which is the first kernel
}

TEST_F(Extern, OfAClassEachPlaceTakesWhatItHas) {
  const std::string values =
      "extern fn here(x: f32[3], by: f32) -> f32[3] { CPU: \"scale\"; };\n"
      "extern fn there(x: f32[3], by: f32) -> f32[3] { GPU: \"scale_gpu\"; };\n"
      "class any { here, there }\n"
      "x = input(f32[3]);\na = any(x, 2.0);\nb = any(a, 3.0);\noutput b;\n";
  const Compiled made = CompileTexts(values, "CPU { a; }\nGPU { b; }\n", {});
  ASSERT_TRUE(made.program) << made.said;
  ExpectRunsAsItMeans("[1 2 3.5]", made, options_);
  EXPECT_EQ(gpu_.calls, 1);
  // In loops, too, and where no place is said.
  const Compiled loop =
      CompileTexts(values + "for i in 0..3 carry (s = b) { next s = any(s, f32(i)); }\noutput s;\n",
                   "GPU { s; }\n", {});
  ASSERT_TRUE(loop.program) << loop.said;
  cpu_.calls = gpu_.calls = 0;
  ExpectRunsAsItMeans("[1 2 3.5]", loop, options_);
  EXPECT_GE(gpu_.calls, 3);
}

TEST_F(Extern, AreCalledInLoopsFunctionsAndArms) {
  const std::string next = "extern fn next(x: i32) -> i32 { CPU: \"next\"; GPU: \"next\"; };\n";
  const std::string down =
      "fn down(x: i32) -> i32 {\n  if (x < 20) { r = down(next(x)); } else { r = x; }\n"
      "  return r;\n}\n";
  const std::string values =
      next + down +
      "n = input();\nfor i in 0..n carry (s = 100) {\n  t = next(s);\n  u = t * 2;\n"
      "  next s = next(u);\n}\nd = down(n);\nif (n > 3) { z = next(s); } else { z = d; }\n"
      "output s, d, z;\n";
  for (const std::string schedule :
       {"", "CPU { loop i { t; } }\nGPU { loop i { u; s; } }\n", "GPU { z; }\n"}) {
    SCOPED_TRACE(schedule);
    const Compiled made = CompileTexts(values, schedule, {});
    ASSERT_TRUE(made.program) << made.said;
    ExpectRunsAsItMeans("17", made, options_);
    ExpectRunsAsItMeans("2", made, options_);  // goes by 13
  }
}

TEST_F(Extern, AKernelThatFailsEndsTheProgramAtItsStatement) {
  const std::string next = "extern fn next(x: i32) -> i32 { CPU: \"next\"; GPU: \"next\"; };\n";
  EXPECT_EQ(WhyNot(next + "n = input();\ny = next(n) * 2;\noutput y;\n", "GPU { y; }\n", "13"),
            "in.value:3:1: KERNEL_FAILED: 'y' at GPU: kernel 'next' returned 5");
  EXPECT_EQ(WhyNot(next + "n = input();\nfor i in 0..9 carry (s = n) {\n  next s = next(s);\n}\n"
                          "output s;\n",
                   "", "10")
                .substr(0, 29),
            "in.value:4:12: KERNEL_FAILED:");
}

TEST_F(Extern, WhatIsNotThereIsNamedBeforeAnythingRuns) {
  const std::string values =
      "extern fn f(x: i32) -> i32 { CPU: \"next\"; GPU: \"system\"; };\n"
      "n = input();\ny = f(n);\nz = y + 1;\noutput z;\n";
  EXPECT_EQ(WhyNot(values, "CPU { y; }\n", "1"), "");
  EXPECT_EQ(WhyNot(values, "GPU { y; }\n", "no number, which nobody reads"),
            "in.value:3:1: PROGRAM_EXTERN: 'y' at GPU: kernel 'system' of extern function 'f' is "
            "not there; --kernels FILE.so gives a library whose table has a 'system'");
  options_.kernels = nullptr;
  EXPECT_THAT(WhyNot(values, "CPU { y; }\n", "1"),
              testing::HasSubstr("PROGRAM_EXTERN: 'y' at CPU: kernel 'next'"));
}

TEST_F(Extern, AKernelOfAnotherTypeIsRefused) {
  EXPECT_EQ(WhyNot("extern fn f(x: f32[4], by: f32) -> f32[3] { CPU: \"scale\"; };\n"
                   "x = input(f32[4]);\ny = f(x, 1.0);\noutput y;\n",
                   "", "[1 2 3 4]"),
            "in.value:3:1: KERNEL_TYPE: 'y' at CPU: kernel 'scale' is (f32[n], f32) -> f32[n], and "
            "extern function 'f' is declared as (f32[4], f32) -> f32[3]");
}

TEST_F(Extern, BothArmsMayCallOneWhicheverIsTaken) {
  const std::string values =
      "extern fn next(x: i32) -> i32 { CPU: \"next\"; GPU: \"next\"; };\n"
      "n = input();\nif (n < 5) { z = next(n); } else { z = next(n * 2); }\noutput z;\n";
  const Compiled made = CompileTexts(values, "GPU { z@then; z@else; }\nCPU { z@join; }\n", {});
  ASSERT_TRUE(made.program) << made.said;
  for (const std::string numbers : {"3", "8"}) ExpectRunsAsItMeans(numbers, made, options_);
}

}  // namespace
}  // namespace tinyai
