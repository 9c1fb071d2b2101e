// Kernels of the user for a real device, which may be one that computes on the CPU.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device/extern_glsl.h"
#include "device/extern_kernels.h"
#include "device/text_program_test_support.h"
#include "gpu/gpu_test_support.h"

namespace tinyai {
namespace {

TEST(ExternGlsl, TellsTheShapesBehindTheVersionAndKeepsTheLines) {
  Stage stage;
  stage.slots = {{.type = {Scalar::kF32, {4, 3}}}, {.index = 1, .type = {Scalar::kF32, {}}}};
  stage.out.type = {Scalar::kF32, {3}};
  const GlslKernel kernel = ExternGlsl(stage, "// mine\n#version 450\nvoid main() {}\n");
  EXPECT_EQ(kernel.text,
            "// mine\n#version 450\n#define SHAPE_0 uint[](4u, 3u)\n#define SHAPE_1 uint[](1u)\n"
            "#define SHAPE_2 uint[](3u)\n#line 3\nvoid main() {}\n");
  EXPECT_EQ(kernel.invocations, 3u);
  EXPECT_THAT(ExternGlsl(stage, "void main() {}").text, testing::HasSubstr("#line 1\nvoid"));
}

// Sums of the rows of x.
constexpr char kRows[] =
    "#version 450\nlayout(local_size_x = 32) in;\n"
    "layout(binding = 0) readonly buffer X { int x[]; };\n"
    "layout(binding = 1) buffer Y { int y[]; };\n"
    "void main() {\n  uint i = gl_GlobalInvocationID.x, n = SHAPE_0[1];\n"
    "  if (i >= y.length()) return;\n  int sum = 0;\n"
    "  for (uint j = 0; j < n; ++j) sum += x[i * n + j];\n  y[i] = sum;\n}\n";

class ExternOnGpu : public testing::Test {
 protected:
  // What the program gives out, or why it does not.
  std::string Run(GpuDevice& device, const std::string& glsl, const std::string& numbers) {
    CompileOptions options;
    AlignForGpu(options.devices);
    const Compiled made = CompileTexts(
        "extern fn rows_of(x: i32[100, 3]) -> i32[100] { GPU: \"rows\"; };\n"
        "x = input(i32[100, 3]);\ny = rows_of(x) * 2;\nz = sum(y);\noutput z, y[99];\n",
        "GPU { y; }\n", options);
    if (!made.program) return made.said;
    ExternKernels kernels;
    if (!glsl.empty()) {
      EXPECT_TRUE(kernels.AddShader("rows", glsl, "rows.comp"));
    }
    ProgramInput input(numbers);
    Budget budget("test", Budget::kUnlimited);
    const Result<ProgramRun> run = RunProgram(*made.program, input, budget,
                                              {.gpu = &device, .kernels = &kernels, .watch = true});
    if (!run) return Describe(run.error());
    std::string out;
    for (const ProgramOutput& output : run->outputs) {
      out += FormatValue(output.type, output.value.data()) + " ";
    }
    return out;
  }
};

TEST_F(ExternOnGpu, ComputesEveryElement) {
  TINYAI_NEEDS_GPU(device);
  std::string numbers = "[";
  for (int i = 0; i < 300; ++i) numbers += std::to_string(i) + " ";
  EXPECT_EQ(Run(*device, kRows, numbers + "]"), "89700 1788 ");
}

int Twice(const TinyAIKernelTensor* inputs, size_t, const TinyAIKernelTensor* outputs, size_t,
          void*) {
  const auto* const x = static_cast<const int32_t*>(inputs[0].data);
  auto* const y = static_cast<int32_t*>(outputs[0].data);
  for (uint64_t i = 0; i < inputs[0].elements; ++i) y[i] = 2 * x[i];
  return 0;
}

// Also where places go round several iterations at a time.
TEST_F(ExternOnGpu, IsCalledInLoopsOverSeveralPlaces) {
  TINYAI_NEEDS_GPU(device);
  ExternKernels kernels;
  const TinyAIKernel twice = {"twice", nullptr, Twice, nullptr};
  ASSERT_TRUE(kernels.Add({TINYAI_KERNELS_VERSION, 1, &twice}, "test"));
  ASSERT_TRUE(kernels.AddShader("twice",
                                "layout(local_size_x = 64) in;\n"
                                "layout(binding = 0) readonly buffer X { int x[]; };\n"
                                "layout(binding = 1) buffer Y { int y[]; };\n"
                                "void main() {\n  uint i = gl_GlobalInvocationID.x;\n"
                                "  if (i < y.length()) y[i] = 2 * x[i];\n}\n",
                                "twice.comp"));
  CompileOptions options;
  AlignForGpu(options.devices);
  const std::string head =
      "extern fn twice(x: i32[3]) -> i32[3] { CPU: \"twice\"; GPU: \"twice\"; };\n"
      "n = input(i32[3]);\n";
  const std::string circle =
      "for i in 0..9 carry (s = n) {\n  t = twice(s);\n  if (i > 5) { u = twice(t) - s; } else { u "
      "= s; }\n  next s = u - 1;\n}\noutput s;\n";
  const std::string ahead =
      "for i in 0..70 carry (s = n) {\n  t = iota(3) + i;\n  u = twice(t);\n  next s = s + u;\n}\n"
      "output s;\n";
  for (const auto& [body, wishes] :
       {std::pair(circle, "CPU { loop i { s; } }\nGPU { loop i { t; u; } }\n"),
        std::pair(ahead, "CPU { loop i { t; } }\nGPU { loop i { u; s; } }\n")}) {
    SCOPED_TRACE(body);
    const Compiled made = CompileTexts(head + body, wishes, options);
    ASSERT_TRUE(made.program) << made.said;
    ExpectRunsAsItMeans("[1 2 3]", made, {.gpu = device.get(), .kernels = &kernels, .watch = true});
  }
}

TEST_F(ExternOnGpu, WhatCannotBeLaunchedIsRefused) {
  TINYAI_NEEDS_GPU(device);
  const auto changed = [](const std::string& from, const std::string& to) {
    std::string text = kRows;
    return text.replace(text.find(from), from.size(), to);
  };
  EXPECT_THAT(Run(*device, "", "[]"),
              testing::HasSubstr("PROGRAM_EXTERN: 'y' at GPU: kernel 'rows' of extern function "
                                 "'rows_of' is not there for a GPU; --kernels rows.comp"));
  EXPECT_THAT(Run(*device, changed("int sum = 0;", "int sum = none;"), "[]"),
              testing::AllOf(testing::HasSubstr("GPU_KERNEL"), testing::HasSubstr("0:8:")));
  EXPECT_THAT(Run(*device, changed("binding = 1", "binding = 5"), "[]"),
              testing::HasSubstr("set 0, binding 5: there are bindings 0 to 1"));
  EXPECT_THAT(Run(*device, changed("binding = 1", "push_constant"), "[]"),
              testing::HasSubstr("GPU_KERNEL"));
  EXPECT_THAT(
      Run(*device, changed("local_size_x = 32", "local_size_x = 8, local_size_y = 4"), "[]"),
      testing::HasSubstr("8 x 4 x 1"));
}

}  // namespace
}  // namespace tinyai
