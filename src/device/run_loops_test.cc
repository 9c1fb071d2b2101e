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

// A loop with carried values, arms and statements that read what was before them; or one of which
// one place reads what the other makes and never the other way round, with or without a window.
class RandomLoop {
 public:
  explicit RandomLoop(uint64_t seed, bool one_way = false) : random_(seed) {
    if (one_way) {
      MakeOneWay();
    } else {
      Make();
    }
  }

  std::string values, schedule, input;

 private:
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  const std::string& Any() { return Any(names_); }
  const std::string& Any(const std::vector<std::string>& names) {
    return names[Below(static_cast<uint32_t>(names.size()))];
  }
  std::string Sum() { return Sum(names_); }
  std::string Sum(const std::vector<std::string>& names) {
    constexpr std::string_view kOperators[] = {"+", "-", "*"};
    return fmt::format("{} {} {}", Any(names), kOperators[Below(3)], Any(names));
  }
  // A statement that may have arms.
  void Statement(const std::string& name, const std::vector<std::string>& names) {
    if (Below(4) == 0) {
      const std::string condition = fmt::format("{} < {}", Any(names), Any(names));
      values += fmt::format("  if ({}) {{ {} = {}; }} else {{ {} = {}; }}\n", condition, name,
                            Sum(names), name, Sum(names));
    } else {
      values += fmt::format("  {} = {};\n", name, Sum(names));
    }
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
      Statement(name, names_);
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

  void MakeOneWay() {
    values = "n = input();\na = input();\n";
    input = fmt::format("{} {}", Below(12), Below(100));
    values += Below(2) == 0
                  ? "for i in 1..n carry (s = a, r = n) {\n"
                  : fmt::format("for i in {}..{} carry (s = a, r = n) {{\n", Below(3), Below(14));
    // What the first place knows, and the second one, which makes s.
    std::vector<std::string> known[2] = {{"a", "n", "i", "r"}, {"a", "n", "i", "r", "s"}};
    const uint32_t statements = 1 + Below(6), first = Below(2);
    for (uint32_t k = 0; k < statements; ++k) {
      const std::string name = fmt::format("t{}", k);
      const uint32_t at = Below(2);
      Statement(name, known[at]);
      lists_[at == 0 ? first : 1 - first] += name + "; ";
      if (at == 0) known[0].push_back(name);
      known[1].push_back(name);
    }
    if (Below(6) == 0) values += fmt::format("  output {};\n", Any(known[1]));
    values += fmt::format("  next r = {};\n  next s = {};\n", Sum(known[0]), Sum(known[1]));
    lists_[first] += "r; ";
    lists_[1 - first] += "s; ";
    values += "}\noutput s;\noutput r;\n";
    const std::string loop =
        Below(2) == 0 ? "loop i" : fmt::format("loop i window {}", 2 + Below(6));
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

// A loop, compiled; every fourth one for places with a memory each.
struct Case {
  Case(uint64_t number, bool one_way) : seed(number), loop(number, one_way) {
    if (seed % 4 == 3) options.devices = ApartDevices();
    text = fmt::format("seed {}{}\n{}{}", seed, one_way ? ", one way" : "", loop.values,
                       loop.schedule);
    made = CompileTexts(loop.values, loop.schedule, options);
  }

  uint64_t seed = 0;
  RandomLoop loop;
  CompileOptions options;
  std::string text;
  Compiled made;
};

void ExpectRunsAsItMeans(const Case& one) {
  SCOPED_TRACE(one.text);
  ASSERT_TRUE(one.made.program) << one.made.said;
  for (uint64_t run = 0; run < 2; ++run) {
    RunOptions run_options;
    run_options.watch = true;
    run_options.fill = std::byte{0xA5};
    std::atomic<uint64_t> calls{one.seed * 31};
    run_options.delay = [&](PlaceId, uint32_t, const PlacePositions&) {
      const uint64_t draw = calls.fetch_add(1) * 0x9E3779B97F4A7C15u >> 60;
      if (draw < 2 * run) std::this_thread::sleep_for(std::chrono::microseconds(20 * draw));
    };
    ExpectRunsAsItMeans(one.loop.input, one.made, run_options);
  }
}

// And nothing has fewer syncs than the bound.
void ExpectCompilesAgain(const Case& one) {
  SCOPED_TRACE(one.text);
  ASSERT_TRUE(one.made.program) << one.made.said;
  for (const Certificate::LoopFigures& loop : one.made.program->certificate.loops) {
    EXPECT_GE(static_cast<double>(loop.syncs) + 1e-9,
              loop.lower_bound * static_cast<double>(loop.window));
  }
  const std::string printed = PrintSchedule(one.made.program->schedule);
  const Compiled again = CompileTexts(one.loop.values, printed, one.options);
  EXPECT_EQ(again.program ? PrintSchedule(again.program->schedule) : again.said, printed);
}

TEST(RunLoops, GiveWhatTheProgramMeansWhateverTheDelays) {
  // Loops in a `while`; places that read what is carried, and what a loop has left.
  std::vector<uint64_t> seeds = {400, 419, 570, 2690};
  for (uint64_t seed = 0; seed < 150; ++seed) seeds.push_back(seed);
  for (const uint64_t seed : seeds) {
    ExpectRunsAsItMeans(Case(seed, false));
    if (HasFailure()) break;
  }
}

TEST(RunLoops, GiveWhatTheProgramMeansInWindowsToo) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    ExpectRunsAsItMeans(Case(seed, true));
    if (HasFailure()) break;
  }
}

TEST(RunLoops, GiveWhatTheProgramMeansOnAGpu) {
  TINYAI_NEEDS_GPU(device);
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const RandomLoop loop(seed, seed >= 40);
    CompileOptions options;
    AlignForGpu(options.devices);
    const Compiled made = CompileTexts(loop.values, loop.schedule, options);
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
  const Compiled made = CompileTexts(values,
                                     "CPU { if (n > 3) { loop i { s; } } }\n"
                                     "GPU { if (n > 3) { loop i { t; } } }\n",
                                     {});
  ASSERT_TRUE(made.program) << made.said;
  EXPECT_EQ(made.program->bodies.size(), 1u);
  for (const std::string numbers : {"2 7", "5 7"})
    ExpectRunsAsItMeans(numbers, made, {.watch = true});
}

TEST(RunLoops, ArePrintedAsTheyAreCompiledAgain) {
  for (uint64_t seed = 0; seed < 150; ++seed) ExpectCompilesAgain(Case(seed, false));
}

TEST(RunLoops, HaveAWindowWhereNoCircleCrosses) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    const Case one(seed, true);
    ExpectCompilesAgain(one);
    if (HasFailure()) break;
    for (const Certificate::LoopFigures& loop : one.made.program->certificate.loops) {
      EXPECT_EQ(loop.lower_bound, 0);
      const bool may = loop.syncs != 0 && loop.iterations.value_or(2) > 1;
      EXPECT_TRUE(!may || loop.window > 1) << one.text;
    }
  }
}

}  // namespace
}  // namespace tinyai
