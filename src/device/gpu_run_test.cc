#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "device/device_test_support.h"
#include "device/program_input.h"
#include "gpu/gpu_test_support.h"

// Programs whose places are on a real device, which may be one that computes on the CPU.
namespace tinyai {
namespace {

bool IsGpusLack(const Error& error) { return error.key == "GPU_FEATURE"; }

TEST(RunOnGpu, RandomProgramsGiveWhatTheyMean) {
  TINYAI_NEEDS_GPU(device);
  uint64_t ran = 0, refused = 0;
  for (uint64_t seed = 0; seed < 24; ++seed) {
    const RandomProgram random = MakeRandomProgram({.floats = false}, seed);
    const CompiledProgram compiled = PlanAtRandom(random,
                                                  {.places = 2 + static_cast<uint32_t>(seed % 2),
                                                   .own_memories = seed % 3 == 0,
                                                   .alignment = 256},
                                                  seed);
    bool trapped = false;
    const std::vector<std::string> right = OutputsDirectly(compiled, random.input, trapped);
    Budget budget("test", Budget::kUnlimited);
    ProgramInput input(random.input);
    const Result<ProgramRun> run =
        RunProgram(compiled, input, budget, {.gpu = device.get(), .watch = true});
    if (!run && IsGpusLack(run.error())) {
      ++refused;
      continue;
    }
    ASSERT_TRUE(run) << "seed " << seed << ": " << Describe(run.error());
    EXPECT_EQ(OutputTexts(*run), right) << "seed " << seed;
    EXPECT_EQ(run->trapped, trapped) << "seed " << seed;
    EXPECT_FALSE(run->race) << "seed " << seed << ": " << *run->race;
    if (HasFailure()) break;
    ++ran;
  }
  EXPECT_GT(ran, refused * 4);
}

// Numbers in a text, one after the other.
std::vector<double> NumbersIn(const std::string& text) {
  std::vector<double> numbers;
  for (const char* at = text.c_str(); *at != '\0';) {
    char* end = nullptr;
    const double number = std::strtod(at, &end);
    if (end != at) numbers.push_back(number);
    at = end != at ? end : at + 1;
  }
  return numbers;
}

// One eval of floats on the GPU, from numbers that the CPU reads.
std::string OnGpu(GpuDevice& device, Program program, const std::string& input) {
  const CompiledProgram compiled =
      PlanAtRandom({std::move(program), input}, {.places = 2, .alignment = 256}, 0, true);
  Budget budget("test", Budget::kUnlimited);
  ProgramInput reader(input);
  const Result<ProgramRun> run = RunProgram(compiled, reader, budget, {.gpu = &device});
  EXPECT_TRUE(run) << Describe(run.error());
  if (!run) return "";
  return FormatValue(run->outputs.back().type, run->outputs.back().value.data());
}

Program OfOneFunction(ExprNode::Kind kind, const ProgramType& in, const ProgramType& out) {
  Program program;
  program.scopes.emplace_back();
  program.defs = {{.name = "x", .type = in}, {.name = "y", .type = out, .maker = EvalId{1}}};
  const auto code = [&](std::vector<ExprNode> nodes) { return program.code->Keep(nodes); };
  program.evals.push_back({.outs = {DefId{0}},
                           .code = code({{.kind = ExprNode::Kind::kInput, .type = in}}),
                           .input = true});
  program.evals.push_back({.ins = {DefId{0}},
                           .outs = {DefId{1}},
                           .code = code({{.kind = ExprNode::Kind::kOperand, .type = in},
                                         {.kind = kind, .type = out, .args = {0}}})});
  return program;
}

// Vulkan's bounds for functions are some units in the last place; for sin and cos an absolute
// 2^-11.
TEST(RunOnGpu, FunctionsOfFloatsStayWithinTheirBounds) {
  TINYAI_NEEDS_GPU(device);
  const ProgramType type{Scalar::kF32, {6}};
  const std::string input = "[0.1 0.5 1 2 3 3.1]";
  for (const ExprNode::Kind kind :
       {ExprNode::Kind::kSqrt, ExprNode::Kind::kExp, ExprNode::Kind::kLog, ExprNode::Kind::kSin,
        ExprNode::Kind::kCos, ExprNode::Kind::kTanh}) {
    const Program program = OfOneFunction(kind, type, type);
    ProgramInput reader(input);
    const std::vector<std::byte> right = *RunDirectly(program, reader)->defs[1];
    const std::vector<double> wanted = NumbersIn(FormatValue(type, right.data()));
    const std::vector<double> found = NumbersIn(OnGpu(*device, program, input));
    ASSERT_EQ(found.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_NEAR(found[i], wanted[i], std::max(1e-5 * std::abs(wanted[i]), 5e-4)) << i;
    }
  }
}

TEST(RunOnGpu, ReductionsTakeEveryElementOnce) {
  TINYAI_NEEDS_GPU(device);
  for (const uint64_t count : {1u, 2u, 127u, 128u, 129u, 1000u}) {
    const ProgramType type{Scalar::kI32, {count}};
    std::string input = "[";
    int64_t sum = 0;
    for (uint64_t i = 0; i < count; ++i) {
      input += std::to_string(i * i % 97) + " ";
      sum += static_cast<int64_t>(i * i % 97);
    }
    const Program program = OfOneFunction(ExprNode::Kind::kSum, type, {Scalar::kI32, {}});
    EXPECT_EQ(OnGpu(*device, program, input + "]"), std::to_string(sum)) << count;
  }
}

TEST(RunOnGpu, ValidationFindsNothingAndEveryBarrierThatIsMissing) {
  std::string why;
  const auto device = AnyGpu(why, true);
  if (device == nullptr) GTEST_SKIP() << why;
  uint64_t omitted = 0;
  for (uint64_t seed = 100; seed < 106; ++seed) {
    const RandomProgram random = MakeRandomProgram({.arms = false, .sensitive = true}, seed);
    const CompiledProgram compiled =
        PlanAtRandom(random, {.places = 2, .own_memories = seed % 2 == 0, .alignment = 256}, seed);
    std::vector<bool> barriers;
    for (std::optional<uint64_t> omit; !omit || *omit < barriers.size();
         omit = omit ? *omit + 1 : 0) {
      // Commands that are given one after the other are out of this layer's sight.
      if (omit && !barriers[*omit]) continue;
      Budget budget("test", Budget::kUnlimited);
      ProgramInput input(random.input);
      RunOptions options;
      options.gpu = device.get();
      options.omitted_barrier = omit;
      const Result<ProgramRun> run = RunProgram(compiled, input, budget, options);
      ASSERT_TRUE(run) << "seed " << seed << ": " << Describe(run.error());
      const std::vector<std::string> messages = device->TakeMessages();
      if (!omit) {
        barriers = run->barriers;
        ASSERT_TRUE(messages.empty()) << "seed " << seed << ": " << messages[0];
        continue;
      }
      ++omitted;
      EXPECT_FALSE(messages.empty()) << "seed " << seed << " barrier " << *omit;
    }
  }
  EXPECT_GT(omitted, 10u);
}

}  // namespace
}  // namespace tinyai
