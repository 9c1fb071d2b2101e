#include "fmt/format.h"
#include "golden/golden.h"
#include "gtest/gtest.h"
#include "program/program_test_support.h"
#include "program/read_machine.h"

namespace tinyai {
namespace {

constexpr std::string_view kTwo =
    "memory RAM = 1G align 64;\n"
    "device CPU { memory RAM; coordinator; effects input, print, output; }\n"
    "device NPU { memory RAM; branch none; }\n";
constexpr std::string_view kSquare = "a = input(f32[64, 64]);\nb = matmul(a, a);\noutput b;\n";

TEST(MachineFiles, TheCheaperPlaceIsChosenByTheFormulas) {
  const auto with = [](std::string_view cpu, std::string_view npu) {
    return CompileOn(kTwo,
                     fmt::format("cost c {{ op matmul(x, y) on CPU = {};\nop matmul on NPU = {};\n"
                                 "objective makespan; }}",
                                 cpu, npu),
                     kSquare);
  };
  const Machine on_npu = with("flops / 1GFLOP/s", "1us + bytes / 100GB/s");
  ASSERT_TRUE(on_npu.compiled.program) << on_npu.said;
  EXPECT_NE(on_npu.compiled.text().find("NPU {"), std::string::npos) << on_npu.compiled.text();
  const Machine on_cpu = with("x * 1ns", "1ms");
  ASSERT_TRUE(on_cpu.compiled.program) << on_cpu.said;
  EXPECT_EQ(on_cpu.compiled.text().find("NPU {"), std::string::npos) << on_cpu.compiled.text();
  // 64 * 64 elements at 1 ns, and what is not said: reading and giving out.
  EXPECT_NEAR(on_cpu.compiled.program->certificate.makespan, 4096e-9, 3e-7);
}

TEST(MachineFiles, TripsAreThoseOfTheFile) {
  const std::string_view loop =
      "n = input();\nfor i in 0..n carry (s = 0) { next s = s + i; }\noutput s;\n";
  const auto makespan = [&](int trips) {
    const Machine made =
        CompileOn("", fmt::format("cost c {{ op add on * = 1ms; trip i = {}; }}", trips), loop);
    EXPECT_TRUE(made.compiled.program) << made.said;
    return made.compiled.program->certificate.makespan;
  };
  EXPECT_NEAR(makespan(50) - makespan(10), 40e-3, 1e-9);
}

TEST(MachineFiles, QueuesWaitForEachOtherInAnyMemory) {
  const Machine made = CompileOn(
      "memory RAM = 1G;\nmemory X = 2G;\ndevice CPU { memory X; effects input, print; }\n"
      "device GPU { queue main, copy; memory X; }\nlink X -> RAM = 1us + bytes / 1GB/s;\n",
      "", "x = input();\na = x + 1;\nb = a * 2;\noutput b;\n",
      "GPU { a; --- f; }\nGPU.copy { sync(f); --- g; }\nCPU { sync(g); b; }\n");
  ASSERT_TRUE(made.compiled.program) << made.said;
  EXPECT_NE(made.compiled.text().find("GPU.copy {"), std::string::npos) << made.compiled.text();
  const CompiledProgram& program = *made.compiled.program;
  for (const NetBuffer& buffer : program.plan.value_buffers) {
    EXPECT_EQ(program.net.memories[Index(buffer.memory)].name, "X");
  }
}

TEST(MachineFiles, MistakesAreReportedWithTheirPlace) {
  struct Mistake {
    std::string_view code, devices, costs, values, schedule;
  };
  constexpr std::string_view split =
      "memory RAM = 1G;\nmemory VRAM = 1G;\ndevice CPU { memory RAM; effects input, print; }\n"
      "device GPU { memory VRAM; }\n";
  const std::string linked = std::string(split) +
                             "link RAM -> VRAM = 1us + bytes / 1GB/s;\n"
                             "link VRAM -> RAM = 1us + bytes / 1GB/s;\n";
  constexpr std::string_view branching =
      "x = input();\nc = x > 0;\nif (c) { z = x; } else { z = 1; }\n";
  const Mistake mistakes[] = {
      {"A6",
       "memory RAM = 1G;\ndevice CPU { memory RAM; coordinator; effects input, print; }\n"
       "device LOG { memory RAM; effects input, print; }\n",
       "", "x = input();\na = x + 1;\nb = x * 2;\n",
       "CPU { a; print(a); }\nLOG { b; print(b); }\n"},
      {"I13", kTwo, "", branching, "CPU { if (c) { z; } --- f; }\nNPU { sync(f); c; }\n"},
      {"I13", kTwo, "", branching, "CPU { if (c) { z; } }\nNPU { c; }\n"},
      {"A8", kTwo, "cost c {\n  op matmul on CPU = 1us;\n  objective makespan;\n}\n", kSquare, ""},
      {"A8", kTwo, "cost c { op matmul on CPU = 1us; op matmul on CPU = 2us; }\n", kSquare, ""},
      {"A8", "", "cost c { fence = 1us; }\n", kSquare, "objective lex(makespan, syncs);\n"},
      {"I7", "", "cost c { op add on NPU = 1us; }\n", kSquare, ""},
      {"I7", "", "cost c { objective lex(syncs, sweat); }\n", kSquare, ""},
      {"I7", kTwo, "", kSquare, "GPU { b; }\n"},
      {"I9", kTwo, "", kExample1, "NPU { z; }\n"},
      {"I9", split, "", kSquare, "GPU { b; }\n"},
      {"I9", split, "", kSquare, "CPU { a; evict a; b; }\n"},
      {"I9", linked, "", kSquare, "CPU { b; }\nGPU { evict a; }\n"},
      {"I9", linked, "", kSquare, "CPU { a; }\nGPU { b; free a; }\nCPU { evict a; }\n"},
      {"I9", split, "", kSquare, "CPU { recompute a; b; }\n"},
      {"I9", split, "", kSquare, "CPU { a; move a -> GPU; }\n"},
      {"I9", split, "", kSquare, "GPU { prefetch a; }\n"},
      {"I12", split, "", "a = input(f32[64, 64]);\nb = matmul(a, a);\nc = b + a;\noutput c;\n",
       "budget RAM <= 24K;\nCPU { pin a; pin b; }\n"},
      {"I10", "memory RAM = 16K;\ndevice CPU { memory RAM; effects input, print; }\n", "", kSquare,
       "budget RAM <= 16K;\n"},
      {"I15", kTwo, "cost c { op matmul on CPU = -1us; }\n", kSquare, ""},
      {"I15", kTwo, "cost c { op matmul(a) on CPU = 1ns - a * 1s; }\n", kSquare, ""},
      {"I15", kTwo, "cost c { op matmul(a) on * = 1 / (a - a); }\n", kSquare, ""},
      {"W6", kTwo, "cost c { fence = 1us; branch b > 0 = 0.5; }\n", kSquare, ""},
  };
  std::string golden;
  for (const Mistake& one : mistakes) {
    const Machine made = CompileOn(one.devices, one.costs, one.values, std::string(one.schedule));
    EXPECT_NE(made.said.find(fmt::format("[{}]", one.code)), std::string::npos)
        << one.devices << one.costs << one.schedule << made.said;
    EXPECT_EQ(made.key.empty(), one.code[0] == 'W') << one.costs;
    EXPECT_EQ(made.key == "COST_MODEL", one.code == "I15") << made.key;
    golden += fmt::format("{}{}{}{}=> {}\n{}\n", one.devices, one.costs, one.values, one.schedule,
                          made.key.empty() ? "compiled" : made.key, made.said);
  }
  ExpectGolden("src/program/goldens/machine_errors.txt", golden);
}

}  // namespace
}  // namespace tinyai
