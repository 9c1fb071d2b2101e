// Loops of random programs at several places, whatever delays these have, against what the program
// means.

#include <random>
#include <thread>

#include "device/text_program_test_support.h"
#include "fmt/format.h"
#include "gpu/gpu_test_support.h"
#include "gtest/gtest.h"
#include "lang/print_schedule.h"
#include "program/compile_program.h"
#include "program/read_machine.h"

namespace tinyai {
namespace {

// A loop with carried values, arms and statements that read what was before them.
class RandomLoop {
 public:
  explicit RandomLoop(uint64_t seed) : random_(seed) { Make(); }

  std::string values, schedule, input;

 private:
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  const std::string& Any() { return names_[Below(static_cast<uint32_t>(names_.size()))]; }
  std::string Sum() {
    constexpr std::string_view kOperators[] = {"+", "-", "*"};
    return fmt::format("{} {} {}", Any(), kOperators[Below(3)], Any());
  }

  void Make() {
    values = "n = input();\na = input();\n";
    input = fmt::format("{} {}", Below(12), Below(100));
    const bool test = Below(4) == 0, read = Below(2) == 0;
    const uint32_t carried = 1 + Below(2);
    std::string carry = "s = a";
    if (carried == 2) carry += ", r = n";
    values += test   ? fmt::format("while (s < 900) carry ({}) max 40 {{\n", carry)
              : read ? fmt::format("for i in 1..n carry ({}) {{\n", carry)
                     : fmt::format("for i in {}..{} carry ({}) {{\n", Below(3), Below(14), carry);
    names_ = {"a", "n", "s"};
    if (carried == 2) names_.push_back("r");
    if (!test) names_.push_back("i");
    const uint32_t statements = 1 + Below(5), nested = Below(12);
    for (uint32_t k = 0; k < statements; ++k) {
      const std::string name = fmt::format("t{}", k);
      if (k == nested) Nest(!test);
      if (Below(4) == 0) {
        const std::string condition = fmt::format("{} < {}", Any(), Any());
        values += fmt::format("  if ({}) {{ {} = {}; }} else {{ {} = {}; }}\n", condition, name,
                              Sum(), name, Sum());
      } else {
        values += fmt::format("  {} = {};\n", name, Sum());
      }
      lists_[Below(2)] += name + "; ";
      names_.push_back(name);
    }
    if (Below(6) == 0) values += fmt::format("  output {};\n", Any());
    // A `while` comes to an end.
    values += test ? fmt::format("  m{0} = abs({1}) % 50 + 1;\n  next s = s + m{0};\n", 0, Any())
                   : fmt::format("  next s = {};\n", Sum());
    lists_[Below(2)] += "s; ";
    if (carried == 2) {
      values += fmt::format("  next r = {};\n", Any());
    }
    values += "}\noutput s;\n";
    if (carried == 2) values += "output r;\n";
    const std::string loop =
        fmt::format("loop {}{}", test ? "s" : "i", test || Below(3) != 0 ? "" : " window 1");
    schedule = fmt::format("CPU {{ {} {{ {}}} }}\nGPU {{ {} {{ {}}} }}\n", loop, lists_[0], loop,
                           lists_[1]);
  }

  // A loop in the loop, at both places.
  void Nest(bool counted) {
    const uint32_t bound = Below(counted ? 3 : 2);
    values += fmt::format("  for j in 0..{} carry (q = {}) {{\n",
                          bound == 0   ? "3"
                          : bound == 1 ? "n"
                                       : "i",
                          Any());
    const std::vector<std::string> around = names_;
    names_.insert(names_.end(), {"q", "j"});
    values += fmt::format("    v = {};\n", Sum());
    names_.push_back("v");
    values += fmt::format("    next q = {};\n  }}\n", Sum());
    names_ = around;
    names_.push_back("q");
    const uint32_t first = Below(2);
    lists_[first] += "loop j { v; } ";
    lists_[1 - first] += "loop j { q; } ";
  }

  std::mt19937_64 random_;
  std::vector<std::string> names_;
  std::string lists_[2];
};

// No memory in common.
Devices ApartDevices() {
  const SourceText text(
      "apart.device",
      "memory RAM = 1G;\nmemory VRAM = 1G;\n"
      "device CPU { memory RAM; coordinator; effects input, print, output; }\n"
      "device GPU { memory VRAM; }\n"
      "link RAM -> VRAM = 10us + bytes / 12GB/s;\nlink VRAM -> RAM = 10us + bytes / 12GB/s;\n");
  Diagnostics said(text);
  Result<Devices> devices = ReadDevices(said);
  EXPECT_TRUE(devices) << said.Text();
  return devices ? std::move(*devices) : UsualDevices();
}

// Every fourth loop runs on places with a memory each.
CompileOptions OptionsOf(uint64_t seed) {
  CompileOptions options;
  if (seed % 4 == 3) options.devices = ApartDevices();
  return options;
}

TEST(RunLoops, GiveWhatTheProgramMeansWhateverTheDelays) {
  // A loop in a `while`; places that read what is carried, and what a loop has left.
  std::vector<uint64_t> seeds = {400, 570, 2690};
  for (uint64_t seed = 0; seed < 150; ++seed) seeds.push_back(seed);
  for (const uint64_t seed : seeds) {
    const RandomLoop loop(seed);
    const TextProgram made = Compile(loop.values, loop.schedule, OptionsOf(seed));
    SCOPED_TRACE(fmt::format("seed {}\n{}{}", seed, loop.values, loop.schedule));
    ASSERT_TRUE(made.program) << made.said;
    for (uint64_t run = 0; run < 2; ++run) {
      RunOptions run_options;
      run_options.watch = true;
      run_options.fill = std::byte{0xA5};
      std::atomic<uint64_t> calls{seed * 31};
      run_options.delay = [&](PlaceId, uint32_t, const PlacePositions&) {
        const uint64_t draw = calls.fetch_add(1) * 0x9E3779B97F4A7C15u >> 60;
        if (draw < 2 * run) std::this_thread::sleep_for(std::chrono::microseconds(20 * draw));
      };
      ExpectRunsAsItMeans(loop.input, made, run_options);
    }
    if (HasFailure()) break;
  }
}

TEST(RunLoops, GiveWhatTheProgramMeansOnAGpu) {
  TINYAI_NEEDS_GPU(device);
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const RandomLoop loop(seed);
    CompileOptions options;
    AlignForGpu(options.devices);
    const TextProgram made = Compile(loop.values, loop.schedule, options);
    SCOPED_TRACE(fmt::format("seed {}\n{}{}", seed, loop.values, loop.schedule));
    ASSERT_TRUE(made.program) << made.said;
    ExpectRunsAsItMeans(loop.input, made, {.gpu = device.get(), .watch = true});
    if (HasFailure()) break;
  }
}

TEST(RunLoops, StandInArms) {
  const std::string values =
      "n = input();\na = input();\nif (n > 3) {\n  for i in 0..n carry (s = a) {\n"
      "    t = s * 2;\n    next s = t + i;\n  }\n  r = s;\n} else {\n  r = a;\n}\noutput r;\n";
  const TextProgram made = Compile(values,
                                   "CPU { if (n > 3) { loop i { s; } } }\n"
                                   "GPU { if (n > 3) { loop i { t; } } }\n",
                                   {});
  ASSERT_TRUE(made.program) << made.said;
  EXPECT_EQ(made.program->bodies.size(), 1u);
  for (const std::string numbers : {"2 7", "5 7"})
    ExpectRunsAsItMeans(numbers, made, {.watch = true});
}

TEST(RunLoops, ArePrintedAsTheyAreCompiledAgain) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    const RandomLoop loop(seed);
    const TextProgram made = Compile(loop.values, loop.schedule, OptionsOf(seed));
    SCOPED_TRACE(fmt::format("seed {}\n{}{}", seed, loop.values, loop.schedule));
    ASSERT_TRUE(made.program) << made.said;
    for (const Certificate::LoopFigures& one : made.program->certificate.loops) {
      EXPECT_GE(static_cast<double>(one.syncs) + 1e-9,
                one.lower_bound * static_cast<double>(one.window));
    }
    const std::string printed = PrintSchedule(made.program->schedule);
    const TextProgram again = Compile(loop.values, printed, OptionsOf(seed));
    EXPECT_EQ(again.program ? PrintSchedule(again.program->schedule) : again.said, printed);
  }
}

}  // namespace
}  // namespace tinyai
