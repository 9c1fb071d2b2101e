// Loops that run at several places at once: what stays a loop, its syncs, windows and bounds.

#include "gmock/gmock.h"
#include "golden/golden.h"
#include "plan/net_plan.h"
#include "program/program_test_support.h"

namespace tinyai {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kThereAndBack =
    "n = input();\nfor i in 0..1000000 carry (s = n) {\n  t = s + i;\n  u = t * 2;\n"
    "  next s = u + 1;\n}\noutput s;\n";
// No iteration needs at one place what another one made there.
constexpr std::string_view kOneWay =
    "n = input();\nfor i in 0..1000 carry (s = n) {\n  t = n * i;\n  next s = s + t;\n}\noutput "
    "s;\n";

// What is carried at one place stands behind what the other one brings.
constexpr std::string_view kBehind =
    "x = input();\nfor i in 0..1000 carry (s = 0) {\n  a = i * x;\n  b = a + 3;\n"
    "  next s = s + b;\n}\noutput s;\n";
constexpr std::string_view kArms =
    "x = input();\nfor i in 0..99 carry (s = 0) {\n  if (x > i) { t = x - i; } else { t = 0; }\n"
    "  next s = s + t;\n}\noutput s;\n";

struct LoopCase {
  std::string_view id, values, schedule;
};

const std::vector<LoopCase>& Cases() {
  static const std::vector<LoopCase> all = {
      {"there and back", kThereAndBack, "CPU { loop i { t; s; } }\nGPU { loop i { u; } }\n"},
      {"blocks in a body", kThereAndBack, "CPU { loop i { t; GPU { u; } s; } }\n"},
      {"one way", kOneWay, "GPU { loop i { t; } }\nCPU { loop i { s; } }\n"},
      {"one way, window 8", kOneWay, "GPU { loop i window 8 { t; } }\nCPU { loop i { s; } }\n"},
      {"one way, within a budget", kOneWay,
       "budget RAM <= 1K;\nGPU { loop i { t; } }\nCPU { loop i { s; } }\n"},
      {"a bound that is read",
       "n = input();\nm = input();\nfor i in m..n carry (s = 0) {\n  t = s + i;\n  next s = t * "
       "3;\n"
       "}\noutput s;\n",
       "GPU { loop i { t; } }\nCPU { loop i { s; } }\n"},
      {"while",
       "n = input();\nwhile (s < n) carry (s = 1) {\n  t = s * 2;\n  next s = t + 1;\n}\n"
       "output s;\n",
       "GPU { loop s { t; } }\nCPU { loop s { s; } }\n"},
      {"a swap",
       "n = input();\nfor i in 0..7 carry (a = n, b = 1) {\n  t = a + b;\n  next a = b;\n"
       "  next b = t;\n}\noutput a;\n",
       "GPU { loop i { t; } }\nCPU { loop i { a; } }\n"},
      {"arms",
       "n = input();\nfor i in 0..9 carry (s = n) {\n  if (s > 5) { t = s - i; } else { t = s + i; "
       "}\n"
       "  next s = t * 2;\n}\noutput s;\n",
       "GPU { loop i { if (s > 5) { t; } else { t'; } } }\nCPU { loop i { s; } }\n"},
      {"loops in loops",
       "n = input();\nfor i in 0..5 carry (s = n) {\n  for j in 0..4 carry (r = s) {\n"
       "    t = r + j;\n    next r = t * 3;\n  }\n  next s = r - i;\n}\noutput s;\n",
       "CPU { loop i { loop j { r; } s; } }\nGPU { loop i { loop j { t; } } }\n"},
      {"places and an order", kThereAndBack,
       "place u: GPU;\nbefore t, u;\nCPU { loop i { t; } }\n"},
      {"a place reads only the test",
       "n = input();\nwhile (s < n) carry (s = 1) {\n  next s = s * 3;\n}\noutput s;\n",
       "GPU { loop s { \"s < n\"; } }\nCPU { loop s { s; } }\n"},
      {"a loop up to the index of another",
       "n = input();\nfor i in 0..6 carry (s = n) {\n  for j in 0..i carry (r = s) {\n"
       "    t = r + j;\n    next r = t * 3;\n  }\n  next s = r - i;\n}\noutput s;\n",
       "CPU { loop i { loop j { r; } s; } }\nGPU { loop i { loop j { t; } } }\n"},
      {"outputs in a loop",
       "n = input();\nfor i in 0..4 carry (s = n) {\n  t = s * 2;\n  output t;\n"
       "  next s = t + i;\n}\noutput s;\n",
       "GPU { loop i { t; } }\n"},
      {"a print in a loop",
       "n = input();\nfor i in 0..4 carry (s = n) {\n  t = s * 2;\n  next s = t + i;\n}\n"
       "output s;\n",
       "GPU { loop i { t; } }\nCPU { loop i { print(t); s; } }\n"},
      {"in an arm",
       "n = input();\nif (n > 3) {\n  for i in 0..n carry (s = n) {\n    t = s * 2;\n"
       "    next s = t + i;\n  }\n  r = s;\n} else {\n  r = n;\n}\noutput r;\n",
       "CPU { if (n > 3) { loop i { s; } } }\nGPU { if (n > 3) { loop i { t; } } }\n"},
      {"what is carried stands behind what is brought", kBehind,
       "GPU { loop i { a; } }\nCPU { loop i { b; } }\n"},
      {"the same, window 64", kBehind, "GPU { loop i window 64 { a; } }\nCPU { loop i { b; } }\n"},
      {"arms in a window", kArms,
       "GPU { loop i window 16 { if (x > i) { t; } } }\nCPU { loop i { s; } }\n"},
      {"arms of what is carried, in a window",
       "n = input();\nfor i in 0..99 carry (s = n, r = n) {\n"
       "  if (r > 50) { t = r - i; } else { t = r + i; }\n  next r = t;\n  next s = s + t;\n}\n"
       "output s;\n",
       "GPU { loop i window 4 { \"r > 50\"; if (r > 50) { t; } else { t'; } } }\n"
       "CPU { loop i { s; } }\n"},
      {"fences of the user", kThereAndBack,
       "CPU { loop i { t; --- there; sync(back); s; } }\nGPU { loop i { sync(there); u; --- back; "
       "} "
       "}\n"},
  };
  return all;
}

TEST(Loops, StayLoopsWithTheFewestSyncsOfAnIteration) {
  std::string text;
  for (const LoopCase& one : Cases()) {
    const Compiled compiled = CompileTexts(std::string(one.values), std::string(one.schedule));
    text += "--- " + std::string(one.id) + "\n" + std::string(one.values) + "\n" +
            std::string(one.schedule) + "=>\n" + compiled.text() + "\n";
  }
  ExpectGolden("src/program/goldens/loops.txt", text);
}

TEST(Loops, CompilingWhatWasPrintedGivesItAgain) {
  for (const LoopCase& one : Cases()) {
    const Compiled first = CompileTexts(std::string(one.values), std::string(one.schedule));
    ASSERT_TRUE(first.program) << one.id << "\n" << first.said;
    const Compiled second = CompileTexts(std::string(one.values), first.text());
    EXPECT_EQ(second.text(), first.text()) << one.id;
  }
}

TEST(Loops, HaveTheSyncsOfTheirCircle) {
  const Compiled there =
      CompileTexts(std::string(kThereAndBack), "CPU { loop i { t; s; } }\nGPU { loop i { u; } }\n");
  ASSERT_TRUE(there.program) << there.said;
  ASSERT_EQ(there.program->certificate.loops.size(), 1u);
  EXPECT_EQ(there.program->certificate.loops[0].syncs, 2u) << there.text();
  EXPECT_EQ(there.program->certificate.loops[0].lower_bound, 2) << there.text();
}

TEST(Loops, WindowsDivideTheSyncs) {
  const Compiled made =
      CompileTexts(std::string(kOneWay), "GPU { loop i window 8 { t; } }\nCPU { loop i { s; } }\n");
  ASSERT_TRUE(made.program) << made.said;
  const Certificate::LoopFigures& loop = made.program->certificate.loops.at(0);
  EXPECT_EQ(loop.window, 8u) << made.text();
  EXPECT_EQ(loop.syncs, 2u) << made.text();  // there, and for the slots that are used again
  EXPECT_EQ(loop.lower_bound, 0);
  const Compiled refused = CompileTexts(
      std::string(kThereAndBack), "CPU { loop i window 4 { t; s; } }\nGPU { loop i { u; } }\n");
  EXPECT_THAT(refused.said, HasSubstr("error[I9]"));
}

TEST(Loops, TheWindowIsTheLargestThatFits) {
  uint64_t last = 0;
  for (const std::string_view budget : {"512", "1K", "4K", "64K"}) {
    const Compiled made =
        CompileTexts(std::string(kOneWay), "budget RAM <= " + std::string(budget) +
                                               ";\nGPU { loop i { t; } }\nCPU { loop i { s; } }\n");
    ASSERT_TRUE(made.program) << made.said;
    const uint64_t window = made.program->certificate.loops.at(0).window;
    EXPECT_GT(window, last) << budget;
    last = window;
    const Compiled larger =
        CompileTexts(std::string(kOneWay),
                     "budget RAM <= " + std::string(budget) + ";\nGPU { loop i window " +
                         std::to_string(window + 1) + " { t; } }\nCPU { loop i { s; } }\n");
    EXPECT_EQ(larger.program.has_value(), window == 1000u) << budget << "\n" << larger.text();
  }
  EXPECT_EQ(last, 1000u);
}

void ExpectEverySyncIsNeeded(const CompiledProgram& around) {
  for (const CompiledProgram& body : around.bodies) {
    const Status good = CheckNetPlan(body.net, body.plan);
    EXPECT_TRUE(good) << Describe(good.error());
    for (size_t place = 0; place < body.plan.queues.size(); ++place) {
      for (size_t at = 0; at < body.plan.queues[place].size(); ++at) {
        const NetSyncs& syncs = body.plan.queues[place][at].syncs;
        for (size_t i = 0; i < syncs.size(); ++i) {
          NetPlan without = body.plan;
          NetSyncs& fewer = without.queues[place][at].syncs;
          fewer.erase(fewer.begin() + static_cast<ptrdiff_t>(i));
          EXPECT_FALSE(CheckNetPlan(body.net, without)) << "sync " << i << " of command " << at;
        }
      }
    }
    ExpectEverySyncIsNeeded(body);
  }
}

TEST(Loops, TheCheckerFindsEverySyncThatIsLeftOut) {
  for (const LoopCase& one : Cases()) {
    const Compiled compiled = CompileTexts(std::string(one.values), std::string(one.schedule));
    ASSERT_TRUE(compiled.program) << one.id << "\n" << compiled.said;
    SCOPED_TRACE(one.id);
    ExpectEverySyncIsNeeded(*compiled.program);
  }
}

}  // namespace
}  // namespace tinyai
