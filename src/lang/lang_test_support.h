#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "lang/parse_schedule.h"
#include "lang/print_schedule.h"

namespace tinyai {

struct Parsed {
  Schedule schedule;
  std::string complaints;  // as printed
  std::vector<LocatedDiagnostic> located;
};

inline Parsed ParseText(std::string text) {
  const SourceText source("in.sched", std::move(text));
  Diagnostics diagnostics(source);
  Parsed out;
  out.schedule = ParseSchedule(diagnostics);
  out.complaints = diagnostics.Text();
  out.located = diagnostics.Located();
  EXPECT_EQ(diagnostics.has_errors(), !out.located.empty());
  return out;
}

// Every schedule of the proposal that the language comes from, as it stands there, and others that
// use each form of the grammar.
inline const std::vector<std::string>& ExampleSchedules() {
  static const std::vector<std::string> all = {
      "// Naive schedule\nCPU {\n  b;\n  x;\n  y;\n  z;\n}\n",
      "// User schedule\nGPU {\n    z;\n}\n",
      "// Calculated schedule\nCPU {\n    b;\n    x;\n    y;\n    --- write\n    sync(write);\n}\n"
      "GPU {\n    if (b) {\n        z;\n    }\n    else {\n        z'; // we use z' to denote an "
      "alternate possible value for z -- this may not be very...general\n    }\n}\n",
      "// User Schedule\n\nGPU {\n    a;\n    b;\n}\nCPU {\n    c;\n    print(a); // note that we "
      "must "
      "print on the CPU\n    d;\n}\n",
      "// Optimized Schedule\n\nCPU {\n    x;\n    y;\n    --- write;\n    sync(write);\n}\n\n"
      "GPU {\n    a;\n    ---read;\n    b;\n    sync(read);\n}\n\nCPU {\n    c;\n    print(a);\n   "
      " "
      "d;\n}",
      "DISK { w1; --- r1; w2; --- r2; }\n"
      "GPU  { h0; sync(r1); h1; --- c1; }          // h1 frees slot A\n"
      "DISK { sync(c1); w3; --- r3; }              // reuse edge = the only reason for this sync\n"
      "GPU  { sync(r2); h2; sync(r3); h3; --- out; }\n"
      "CPU  { sync(out); print(h3); }\n",
      "closed CPU { x; ??? z; ???; }",
      "place blk.0..7.ffn_down[0..64]: GPU[1].copy;\nbefore a, b@else;\nbudget GPU.mem <= 64MiB;\n"
      "objective lex(syncs, 2 * peak(GPU.mem));\ncount worst;\nbuffer \"ring slot 0\": kind ring, "
      "at 0;\n",
      "schedule s for p {\n  CPU { loop i window 3 { prefetch w.0..7; evict w; pin \"odd name\".3; "
      "free "
      "w[i + 1]; recompute z; move z -> GPU[i]; } GPU { q; } }\n}\n",
      "CPU { if (a > 0 && !b || c[1].x < -f(2, 3KiB)) { x; } else if (d ? e : [1, 2]) { y; } else "
      "{ z; } }",
      "DISK { sync(used5, used6@-1); load part0[28672..32768]: at 0, once; --- r: queue 3; }\n// "
      "syncs 2\n",
  };
  return all;
}

}  // namespace tinyai
