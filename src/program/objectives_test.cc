#include "fmt/format.h"
#include "fmt/ranges.h"
#include "gtest/gtest.h"
#include "program/program_test_support.h"

// What is to be least decides between schedules of one program.
namespace tinyai {
namespace {

// Each of two halves goes from the CPU to the GPU.
constexpr std::string_view kHalves =
    "x = input(f32[4096]);\ny = input(f32[4096]);\na = sqrt(x);\nb = sqrt(y);\nc = exp(a);\n"
    "d = exp(b);\noutput sum(c) + sum(d);\n";
constexpr std::string_view kHalvesPlaced =
    "place a: CPU;\nplace b: CPU;\nplace c: GPU;\nplace d: GPU;\n";
constexpr std::string_view kHalvesCost =
    "cost c {{ fence = 1us; sync = 2us; op sqrt on * = 100us; op exp on * = 100us;\n"
    "op sum on * = 1us; op add on * = 1us; {} }}";

// A table that both places need, made from nothing.
constexpr std::string_view kTable =
    "t = exp(iota(4096) * 0.001);\nlow = sum(t);\nhigh = sum(sin(t));\noutput low + high;\n";
constexpr std::string_view kTablePlaced = "place t: CPU;\nplace low: CPU;\nplace high: GPU;\n";
constexpr std::string_view kTableCost =
    "cost c {{ op iota on * = 1us; op mul on * = 2us; op exp on CPU = 20us; op exp on GPU = 60us;\n"
    "op sin on CPU = 500us; op sin on GPU = 5us; op sum on * = 10us; op add on * = 1us; {} }}";

// A line for each alternative: syncs, fences, bytes, recomputed, makespan in us, peaks in bytes.
std::string Rows(const Machine& made) {
  if (!made.compiled.program) return made.said + made.key;
  std::string out;
  for (const Alternative& one : made.compiled.program->alternatives) {
    const PlanFigures& figures = one.figures;
    out += fmt::format("{} {} {} {} {:.6g} {}: {}\n", figures.syncs, figures.fences,
                       figures.moved_bytes, figures.recomputed, figures.makespan * 1e6,
                       fmt::join(figures.peaks, " "), fmt::join(one.picked_by, ", "));
  }
  return out;
}

Machine Alternatives(std::string_view costs, std::string_view values, std::string_view schedule) {
  return CompileOn("", costs, values, std::string(schedule), {.pareto = true});
}

std::string With(std::string_view costs, std::string_view more) {
  return fmt::format(fmt::runtime(costs), more);
}

TEST(Objectives, FewerSyncsAndLessTimeAreDifferentSchedules) {
  EXPECT_EQ(Rows(Alternatives(With(kHalvesCost, ""), kHalves, kHalvesPlaced)),
            "2 2 65536 0 409.2 49152: syncs, fences, bytes, recomputed, peak(RAM)\n"
            "3 3 65536 0 311.2 98304: makespan\n");
}

TEST(Objectives, ATableMadeTwiceSavesTheFenceToTheGpu) {
  EXPECT_EQ(Rows(Alternatives(With(kTableCost, "recompute <= 1;"), kTable, kTablePlaced)),
            "1 1 4 1 79 32776: syncs, fences, bytes\n"
            "1 1 16384 1 544 16396: \n"
            "1 1 16384 1 559 16392: peak(RAM)\n"
            "2 2 4 1 79 32772: \n"
            "2 2 4 1 112 16392: \n"
            "2 2 16388 0 39 16392: recomputed, makespan\n");
}

TEST(Objectives, WhatIsComputedAgainIsWhatTheCostsAllow) {
  const auto compile = [](std::string_view more) {
    return CompileOn("", With(kTableCost, more), kTable, std::string(kTablePlaced));
  };
  const Machine none = compile("");
  ASSERT_TRUE(none.compiled.program) << none.said;
  EXPECT_EQ(none.compiled.program->certificate.syncs.value, 2u);
  const Machine one = compile("recompute <= 1;");
  ASSERT_TRUE(one.compiled.program) << one.said;
  EXPECT_EQ(one.compiled.program->certificate.syncs.value, 1u) << one.compiled.text();
  EXPECT_NE(one.compiled.text().find("GPU {\n  recompute t;\n"), std::string::npos)
      << one.compiled.text();
  const Machine same =
      CompileOn("", With(kTableCost, "recompute <= 1;"), kTable, one.compiled.text());
  EXPECT_EQ(same.compiled.text(), one.compiled.text());
}

TEST(Objectives, WeightsSayHowMuchTimeASyncIsWorth) {
  const auto syncs = [](std::string_view objective) {
    const Machine made = CompileOn("", With(kHalvesCost, fmt::format("objective {};", objective)),
                                   kHalves, std::string(kHalvesPlaced));
    EXPECT_TRUE(made.compiled.program) << made.said;
    return made.compiled.program ? made.compiled.program->certificate.syncs.value : 0;
  };
  EXPECT_EQ(syncs("makespan"), 3u);
  EXPECT_EQ(syncs("10us * syncs + makespan"), 3u);
  EXPECT_EQ(syncs("1ms * syncs + makespan"), 2u);
  EXPECT_EQ(syncs("lex(2 * fences + syncs, makespan)"), 2u);
}

// A GPU that is slower than the CPU, such as one that the CPU emulates, is left out; a faster one
// is not.
TEST(Objectives, APlaceIsUsedWhereThatTakesLessTime) {
  const auto text = [](std::string_view cpu, std::string_view gpu) {
    const Machine made = CompileOn(
        "",
        fmt::format("cost c {{ op exp on CPU = {}; op exp on GPU = {}; op sum on * = 1us;\n"
                    "objective makespan; }}",
                    cpu, gpu),
        "x = input(f32[4096]);\na = exp(x);\nb = exp(a);\noutput sum(b);\n");
    return made.compiled.program ? made.compiled.text() : made.said;
  };
  EXPECT_EQ(text("100us", "3ms").find("GPU"), std::string::npos) << text("100us", "3ms");
  EXPECT_NE(text("3ms", "100us").find("GPU {\n  a;\n  b;\n"), std::string::npos)
      << text("3ms", "100us");
}

TEST(Objectives, TimeSpentOnFencesAndSyncsCounts) {
  const auto makespan = [](std::string_view costs) {
    const Machine made = CompileOn("", fmt::format("cost c {{ {} }}", costs),
                                   "x = input();\ny = x + 1;\n", "GPU { y; }");
    EXPECT_TRUE(made.compiled.program) << made.said;
    return made.compiled.program ? made.compiled.program->certificate.makespan : 0;
  };
  EXPECT_NEAR(makespan("fence = 1ms; sync = 10ms;") - makespan(""), 11e-3, 1e-9);
}

// Of two syncs one is in the arm that is taken where b > 0.
TEST(Objectives, ArmsCountAsOftenAsTheyAreTaken) {
  const auto certificate = [](std::string_view counting, std::string_view costs) {
    const Machine made =
        CompileOn("", fmt::format("cost c {{ {} }}", costs),
                  "b = input();\nif (b > 0) { t = b * 2; z = t + 1; } else { z = 7; }\noutput z;\n",
                  fmt::format("count {};\nGPU {{ if (b > 0) {{ t; }} }}\n"
                              "CPU {{ if (b > 0) {{ z; }} else {{ z'; }} }}\n",
                              counting));
    if (!made.compiled.program) return made.said;
    return made.compiled.text().substr(made.compiled.text().find("// "));
  };
  const std::string bound = "// syncs 2 (lower bound 2: b -> t -> z), fences 2, bytes 8, peak RAM ";
  EXPECT_EQ(certificate("static", ""), bound + "21 B, optimal\n");
  // Each arm waits for itself: earlier than in front of both, and only one of them is taken.
  EXPECT_EQ(
      certificate("worst", ""),
      "// syncs 3 (lower bound 2: b -> t -> z), fences 2, bytes 8, peak RAM 13 B, at worst syncs "
      "2, fences 2, bytes 8\n");
  EXPECT_EQ(certificate("expected", ""), bound + "21 B, expected syncs 1.5, fences 1.5, bytes 8\n");
  EXPECT_EQ(certificate("expected", "branch b > 0 = 0.125;"),
            bound + "21 B, expected syncs 1.125, fences 1.125, bytes 8\n");
}

TEST(Objectives, WhatIsSaidOfOtherConditionalsIsAnsweredWithAWarning) {
  const auto said = [](std::string_view costs, std::string_view schedule) {
    return CompileOn("", costs, kExample1, std::string(schedule)).said;
  };
  EXPECT_EQ(said("cost c { branch b > 0 = 0.5; }", "count expected;"), "");
  EXPECT_NE(said("cost c { branch b > 1 = 0.5; }", "count expected;")
                .find("warning[W6]: the program has no 'if (b > 1)'"),
            std::string::npos);
  EXPECT_NE(said("cost c { branch b > 0 = 0.5; }", "").find("warning[W6]: how often 'b > 0' holds"),
            std::string::npos);
}

// Of loops at several places.
constexpr std::string_view kLoop =
    "x = input();\nfor i in 0..1000 carry (s = 0) {\n  a = i * x;\n  b = a + 3;\n"
    "  next s = s + b;\n}\noutput s;\n";
constexpr std::string_view kLoopPlaced =
    "GPU {{ loop i{0} {{ a; }} }}\nCPU {{ loop i{0} {{ b; }} }}\n";
constexpr std::string_view kLoopCost =
    "cost c {{ fence = 1us; sync = 2us; op mul on * = 5us; op add on * = 5us; {} }}";

Machine Loop(std::string_view objective, std::string_view window = "") {
  return CompileOn("", With(kLoopCost, ""), kLoop,
                   std::string(objective) + fmt::format(fmt::runtime(kLoopPlaced), window));
}

TEST(Objectives, ALoopGetsTheWindowThatTheyLikeBest) {
  const auto window = [](std::string_view objective) {
    const Machine made = Loop(objective);
    EXPECT_TRUE(made.compiled.program) << made.said;
    return made.compiled.program->certificate.loops.at(0).window;
  };
  EXPECT_EQ(window(""), 1000u);
  // The first turn is waited for, and all others wait less the fewer they are.
  EXPECT_EQ(window("objective makespan;\n"), 16u);
  EXPECT_EQ(window("objective peak(RAM);\n"), 1u);
}

TEST(Objectives, WhatALoopDoesCountsAsOftenAsItDoesIt) {
  const auto syncs = [](const Machine& made) {
    EXPECT_TRUE(made.compiled.program) << made.said;
    return made.compiled.program->figures.syncs;
  };
  EXPECT_EQ(syncs(Loop("", " window 1")), 1 + 1000 * 2);
  EXPECT_EQ(syncs(Loop("", " window 300")), 1 + 4 * 2);  // the last turn is not full
  const Machine some =
      CompileOn("", With(kLoopCost, "trip i = 50;"),
                "n = input();\nfor i in 0..n carry (s = n) {\n  t = s * 2;\n  next s = t + i;\n}\n"
                "output s;\n",
                "CPU { loop i { s; } }\nGPU { loop i { t; } }\n");
  EXPECT_EQ(syncs(some), 1 + 50 * 2) << some.compiled.text();
}

TEST(Objectives, TheBodyOfALoopIsPlacedByThem) {
  const auto compile = [](std::string_view objective) {
    return CompileOn("", "",
                     "x = input(f32[65536]);\nfor i in 0..100 carry (s = 0.0) {\n"
                     "  a = exp(sin(x * 0.5));\n  b = sum(a);\n  next s = s + b;\n}\noutput s;\n",
                     std::string(objective) + "CPU { loop i { s; } }\n");
  };
  const Machine few = compile("objective lex(syncs, makespan);\n");
  const Machine fast = compile("objective makespan;\n");
  ASSERT_TRUE(few.compiled.program && fast.compiled.program) << few.said << fast.said;
  EXPECT_EQ(few.compiled.program->certificate.loops.size(), 1u);
  EXPECT_EQ(few.compiled.text().find("GPU"), std::string::npos) << few.compiled.text();
  EXPECT_NE(fast.compiled.text().find("GPU {\n  loop i {\n    a;"), std::string::npos)
      << fast.compiled.text();
  EXPECT_LT(fast.compiled.program->figures.makespan, few.compiled.program->figures.makespan);
}

}  // namespace
}  // namespace tinyai
