#include "fmt/format.h"
#include "golden/golden.h"
#include "gtest/gtest.h"
#include "program/program_test_support.h"

namespace tinyai {
namespace {

struct Mistake {
  std::string_view code, values, schedule;
};

// One for each code, and more where a code has several forms.
const std::vector<Mistake>& Mistakes() {
  static const std::string one(kExample1), two(kExample2);
  static const std::vector<Mistake> all = {
      {"A1", one, "CPU { z; }\nGPU { z; }\n"},
      {"A1", two, "CPU { x; x; }\n"},
      {"A2", two, "GPU { a; --- f; }\nCPU { sync(f); c; }\nGPU { b; --- f; }\n"},
      {"A3", two, "CPU { x; --- write; }\nGPU { sync(x); a; }\n"},
      {"A4", one, "GPU { z''; }\n"},
      {"A4", one, "GPU { z'; }\n"},
      {"A4", one, "CPU { if (b > 0) { z; } else { print(z); } }\n"},
      {"A5",
       "b = input();\nif (b > 0) { z = 1; } else { z = 2; }\nif (b < 9) { w = 1; } else { w = 2; "
       "}\n",
       "GPU { if (b) { z; } }\n"},
      {"A4", one, "CPU { if (b > 0) { x; } }\n"},
      {"A7", "b = input();\nif (b > 0) { z = b; } else { z = 1; }\nq = b + 2;\n",
       "GPU { if (b > 0) { z; --- f; } }\nCPU { sync(f); q; }\n"},
      {"A9", "x = input();\nx = 2;\n", ""},
      {"I1", two, "GPU { x; }\n"},
      {"I2", two, "GPU { print(a); }\n"},
      {"I3", "x = input();\ny = x + 5;\nz = y;\n",
       "CPU { z; print(z); }\nGPU { y; }\nCPU { x; }\n"},
      {"I3", two, "CPU { sync(read); print(a); }\nGPU { a; --- read; }\n"},
      {"I3", two, "CPU { c; x; }\n"},
      {"I3", two, "CPU { a; b; free x; c; }\n"},
      {"I3", two, "CPU { free x; x; }\n"},
      {"I3", two, "CPU { x; y; free x; z; }\n"},
      {"A1", two, "CPU { pin x; a; free x; }\n"},
      {"A1", two, "CPU { evict x; pin x; }\n"},
      {"I9", two, "CPU { a; b; c; free x; d; free x; }\n"},
      {"I9", two, "CPU { load x; }\n"},
      {"I9", two, "CPU { evict x; }\n"},
      {"I3", two, "before a, a;\n"},
      {"I3", two, "before c, d;\nbefore d, x;\n"},
      {"I6",
       "n = input();\nfor i in 1..n carry (s = n) {\n  t = n * i;\n  next s = s * t;\n}\n"
       "output s;\n",
       "CPU { loop i { t; sync(back@-1); } }\nGPU { loop i { --- back; s; } }\n"},
      {"I7", two, "objective lex();\n"},
      {"I8", "x = 3;\ny = x + 2;\n", "closed CPU { }\nclosed GPU { }\n"},
      {"I7", "value p { x = 3; }\n", "schedule s for q { CPU { x; } }\n"},
      {"W5", "x = input();\ny = x / 0;\n", ""},
      {"I4", two, "CPU { sync(g); --- f; }\nGPU { sync(f); --- g; }\n"},
      {"I5", "x = input();\na = x + 1;\nd = a * 2;\n",
       "CPU { d; --- f; print(a); }\nGPU { sync(f); a; }\n"},
      {"I6", two, "GPU { a; --- f1; b; --- f2; }\nCPU { sync(f2); c; sync(f1); print(a); }\n"},
      {"I7", two, "GPU { q; }\n"},
      {"I7", two, "TPU { a; }\n"},
      {"I7", two, "budget GPU.mem <= 64MiB;\n"},
      {"I8", "x = 3;\ny = x + 2;\nz = 1;\nresult = x + y + z;\n", "closed CPU { x; \?\?\? z; }\n"},
      {"I9",
       "extern fn glue(a: i32, b: i32) -> i32 { CPU: \"glue\"; };\nx = input();\ns = glue(x, "
       "x);\n",
       "GPU { s; }\n"},
      {"I10", "a = input(f32[1024, 1024]);\nb = a + 1.0;\nc = b * a;\noutput c;\n",
       "budget RAM <= 8MiB;\n"},
      {"I11", "y = input();\nx = input();\na = x + y;\n",
       "CPU { x; --- f; y; }\nGPU { sync(f); a; }\n"},
      {"I14",
       "n = input();\nfor i in 0..n carry (s = 0) { t = n * i; next s = s + t; }\noutput s;\n",
       "budget RAM <= 1K;\nGPU { loop i { t; } }\nCPU { loop i { s; } }\n"},
      {"I7", "for i in 0..8 carry (s = 0) { next s = s + i; }\noutput s;\n",
       "GPU { loop j { s; } }\n"},
      {"I9", "for i in 0..8 carry (s = 0) { t = s + i; next s = t * 2; }\noutput s;\n",
       "GPU { loop i window 2 { t; } }\nCPU { loop i { s; } }\n"},
      {"I9", "for i in 0..8 carry (s = 0) { t = i * 2; next s = s + t; }\noutput s;\n",
       "GPU { loop i window 4096 { t; } }\nCPU { loop i { s; } }\n"},
      {"A1", "for i in 0..8 carry (s = 0) { t = i * 2; next s = s + t; }\noutput s;\n",
       "GPU { loop i window 4 { t; } }\nCPU { loop i window 2 { s; } }\n"},
      {"I9", "n = input();\nfor i in 0..8 carry (s = 0) { next s = s + n; }\noutput s;\n",
       "GPU { loop i { n; } }\n"},
      {"I16", "a = input();\nb = a + 1;\n", "closed CPU { b; a; }\n"},
      {"A10", one, "CPU { if (b > 0) { print(x); } }\nCPU { if (b > 0) { print(y); } }\n"},
      {"W1", two, "GPU { a; --- f; }\n"},
      {"W3", "x = input();\na = x + 1;\nq = a * 2;\nr = q + a;\ns = r - q;\noutput s;\n",
       "CPU { a; }\nGPU { q; }\nCPU { r; }\nGPU { s; }\n"},
      {"W4", "x = input();\ny = x + 1;\nz = x * 2;\noutput y;\n", ""},
      {"W5", two, "CPU { d; print(c); }\n"},
      {"W2",
       "b = input();\nx = input();\na = x + 1;\nc = b + 1;\nif (b > 0) { z = a + 1; } else { z = "
       "1; }\nw = a * 2;\n",
       "GPU { a; --- f; }\nCPU { if (b > 0) { sync(f); z; } sync(f); w; }\n"},
  };
  return all;
}

TEST(ScheduleErrors, EachIsReportedWithItsPlaceAndWhatWouldDo) {
  std::string golden;
  for (const Mistake& mistake : Mistakes()) {
    const Compiled compiled =
        CompileTexts(std::string(mistake.values), std::string(mistake.schedule));
    EXPECT_NE(compiled.said.find(fmt::format("[{}]", mistake.code)), std::string::npos)
        << mistake.code << "\n"
        << mistake.schedule << compiled.said << compiled.text();
    EXPECT_EQ(compiled.program.has_value(), mistake.code[0] == 'W') << mistake.schedule;
    golden += fmt::format("{}\n{}=> {}\n{}\n", mistake.values, mistake.schedule,
                          compiled.key.empty() ? "compiled" : compiled.key, compiled.said);
  }
  ExpectGolden("src/program/goldens/errors.txt", golden);
}

}  // namespace
}  // namespace tinyai
