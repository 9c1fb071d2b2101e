#include "fmt/format.h"
#include "golden/golden.h"
#include "gtest/gtest.h"
#include "program/program_test_support.h"

namespace tinyai {
namespace {

// CPU and GPU with a memory each; the processor of the one that is read copies.
constexpr std::string_view kApart =
    "memory RAM = 16G;\nmemory VRAM = 1G;\n"
    "device CPU { memory RAM; coordinator; effects input, print, output; }\n"
    "device GPU { memory VRAM; }\n"
    "link RAM -> VRAM = 10us + bytes / 12GB/s;\nlink VRAM -> RAM = 10us + bytes / 12GB/s;\n";
// The same with a queue that does nothing else, and little room.
constexpr std::string_view kQueue =
    "memory RAM = 16G;\nmemory VRAM = 12400K;\n"
    "device CPU { memory RAM; coordinator; effects input, print, output; }\n"
    "device GPU { queue main, copy; memory VRAM; }\n"
    "link RAM -> VRAM = 10us + bytes / 12GB/s queue GPU.copy;\n"
    "link VRAM -> RAM = 10us + bytes / 12GB/s queue GPU.copy;\n";
// Three memories in a row.
constexpr std::string_view kRow =
    "memory RAM = 1G;\nmemory MID = 1G;\nmemory FAR = 1G;\n"
    "device CPU { memory RAM; coordinator; effects input, print, output; }\n"
    "device BRIDGE { memory MID; }\ndevice NPU { memory FAR; }\n"
    "link RAM -> MID = 1us + bytes / 1GB/s;\nlink MID -> FAR = 1us + bytes / 1GB/s;\n"
    "link FAR -> MID = 1us + bytes / 1GB/s;\nlink MID -> RAM = 1us + bytes / 1GB/s;\n";

constexpr std::string_view kLong =
    "a = input(f32[1024, 1024]);\nb = a * 3.0;\nc = b * 2.0;\nd = c + c;\ne = d * c;\nf = e + "
    "b;\noutput f;\n";
constexpr std::string_view kDecided =
    "b = input();\nx = input();\nc = b > 0;\nif (c) { z = x + 1; w = z * 2; } else { z = x - 1; w "
    "= "
    "z; }\noutput w;\n";
constexpr std::string_view kMade =
    "a = input();\nb = fill(a, [1024, 1024]);\nc = b * 2;\nd = c + c;\ne = d * c;\nf = e + "
    "b;\noutput f;\n";

struct Case {
  std::string_view id, devices, values, schedule;
};
const std::vector<Case>& Cases() {
  static const std::vector<Case> all = {
      {"T5, apart", kApart, kExample2, "GPU { a; b; }\nCPU { c; print(a); d; }\n"},
      {"T2 and back, apart", kApart,
       "b = input();\nx = input();\ny = input();\nif (b > 0) { z = x + y; } else { z = x - y; }\n"
       "output z;\n",
       "GPU { z; }\n"},
      {"one arm needs it", kApart,
       "b = input();\nx = input();\nif (b > 0) { z = x + 1; } else { z = 2; }\noutput z;\n",
       "GPU { z; }\n"},
      {"over two links", kRow, "x = input();\ny = x + 1;\noutput y;\n", "NPU { y; }\n"},
      {"as written", kApart, kExample2,
       "CPU { x; y; move y -> GPU; move x -> GPU; }\nGPU { a; b; }\nCPU { print(a); }\n"},
      {"computed again", "", kExample2, "GPU { b; }\nCPU { recompute b; print(b); }\n"},
      {"computed again, apart", kApart, kExample2,
       "CPU { b; print(b); }\nGPU { recompute b; a; }\n"},
      {"a condition computed again", "", kDecided,
       "CPU { c; }\nGPU { recompute c; if (c) { z; w; } else { z'; w'; } }\n"},
      {"a condition computed again, apart", kApart, kDecided,
       "CPU { c; }\nGPU { recompute c; if (c) { z; w; } else { z'; w'; } }\n"},
      {"a condition computed again where not all is", kApart, kDecided,
       "GPU { recompute c; if (c) { z; } }\nCPU { if (c) { w; } else { z'; w'; } }\n"},
      {"a condition of an arm computed again", "",
       "b = input();\nx = input();\nif (b > 0) {\n  d = x > 3;\n  if (d) { z = x; } else { z = x - "
       "2; }\n"
       "} else { z = x + 7; }\noutput z;\n",
       "GPU { if (b > 0) { d; } }\nCPU { if (b > 0) { recompute d; if (d) { z; } else { z'; } } "
       "else { z''; } }\n"},
      {"made again for room", "", kMade, "budget RAM <= 12300KiB;\n"},
      {"taken away for room", kQueue, kLong, "GPU { b; c; d; e; f; }\n"},
      {"fetched early", kQueue, "x = input(f32[64]);\ny = x * 2.0;\noutput y;\n",
       "CPU { x; }\nGPU.copy { prefetch x; }\nGPU { y; }\n"},
      {"sent away", kApart, kExample2,
       "CPU { x; y; z; }\nGPU { a; evict a; b; }\nCPU { c; }\nGPU { d; }\nCPU { print(a); }\n"},
      {"sent away and back", kApart,
       "x = input();\na = x + 1;\nb = a * 2;\nc = b + a;\noutput c;\n",
       "GPU { a; b; evict a; c; }\n"},
      {"sent away twice, and freed", kApart,
       "x = input();\na = x + 1;\nb = a * 2;\nc = b + a;\nd = c * a;\noutput d;\n",
       "GPU { a; evict a; b; c; evict a; d; free a; }\n"},
      {"sent away from both memories", kApart, kExample2,
       "CPU { x; y; z; }\nGPU { a; }\nCPU { c; evict x; }\nGPU { b; evict x; }\nCPU { print(x); "
       "}\n"},
      {"moved where it is already", kApart,
       "x = input();\na = x * 2;\nb = a + x;\nc = b + a;\nd = c * b;\ne = d + a;\noutput e;\n",
       "CPU { a; }\nGPU { b; }\nCPU { c; }\nGPU { move b -> CPU; d; }\nCPU { e; }\n"},
      {"sent away by the queue", kQueue,
       "x = input();\na = x + 1;\nb = a * 2;\nc = b + a;\noutput c;\n",
       "GPU { a; evict a; b; c; }\n"},
      {"sent away in an arm", kApart,
       "b = input();\nx = input();\na = x + 1;\nif (b > 0) { c = a * 2; d = c + a; } else { d = a; "
       "}\n"
       "e = d + a;\noutput e;\n",
       "GPU { a; if (b > 0) { c; evict a; recompute a; d; } else { d'; } e; }\n"},
      {"made again in its arm", kApart,
       "b = input();\nx = input();\nif (b > 0) { c = x * 2; d = c + x; f = d * c; } else { f = x; "
       "}\noutput f;\n",
       "GPU { if (b > 0) { c; d; evict c; recompute c; f; } else { f'; } }\n"},
      {"freed", "", kExample2, "GPU { a; }\nCPU { c; free x; d; }\n"},
      {"freed, what is not listed in front of it", "", kExample2, "CPU { x; y; z; free x; }\n"},
      {"freed in an arm", "",
       "b = input();\nx = input();\na = x + 1;\nif (b > 0) { c = a * 2; d = c + 1; } else { d = a; "
       "}\noutput d;\n",
       "CPU { a; if (b > 0) { c; free a; d; free c; } else { d'; free a; } }\n"},
      {"freed and made again", "", kMade, "CPU { b; c; d; e; free b; recompute b; f; free b; }\n"},
      {"freed in one memory of two", kApart, kExample2,
       "CPU { x; y; z; c; free x; }\nGPU { a; b; free y; }\n"},
      {"freed and fetched back", kApart, kExample2,
       "CPU { x; y; c; free x; }\nGPU { a; b; move x -> CPU; free x; }\nCPU { print(x); }\n"},
      {"merged, and moved in an arm behind", kApart,
       "x = input();\ny = input();\nif (x > 1) { m = x; } else { m = y; }\n"
       "if (y > 2) { a = m * 2; r = a + y; } else { r = y; }\noutput r;\n",
       "CPU { m; if (y > 2) { move m -> GPU; } }\nGPU { if (y > 2) { a; r; } }\n"},
      {"an arm in both memories", kApart,
       "x = input();\nif (x > 3) { m = x + 1; z = m + x; } else { z = x - 1; }\noutput z;\n",
       "CPU { if (x > 3) { m; } }\nGPU { z; }\n"},
      {"kept", kApart, kExample2, "GPU { pin x; a; }\nCPU { print(a); }\n"},
  };
  return all;
}

TEST(Memories, ValuesAreMovedOnceAndCounted) {
  std::string golden;
  for (const Case& one : Cases()) {
    const Machine made = CompileOn(one.devices, "", one.values, std::string(one.schedule));
    ASSERT_TRUE(made.compiled.program) << one.id << "\n" << made.said << made.key;
    golden += fmt::format("== {}\n{}\n", one.id, made.compiled.text());
    // As printed, it is the same once more.
    const Machine again = CompileOn(one.devices, "", one.values, made.compiled.text());
    std::string text = made.compiled.text(), same = again.compiled.text();
    if (!made.compiled.program->certificate.optimal) {  // of what has no gaps more can be proved
      text.resize(text.find("// syncs"));
      same.resize(std::min(same.size(), same.find("// syncs")));
    }
    EXPECT_EQ(same, text) << one.id;
  }
  ExpectGolden("src/program/goldens/memories.txt", golden);
}

TEST(Memories, NoneHoldsMoreThanItsBudget) {
  for (const Case& one : Cases()) {
    const Machine made = CompileOn(one.devices, "", one.values, std::string(one.schedule));
    ASSERT_TRUE(made.compiled.program) << one.id;
    const CompiledProgram& program = *made.compiled.program;
    for (size_t i = 0; i < program.net.memories.size(); ++i) {
      EXPECT_LE(program.plan.heights[i], program.net.memories[i].budget_bytes) << one.id;
    }
  }
}

}  // namespace
}  // namespace tinyai
