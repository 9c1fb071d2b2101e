// How fast programs are compiled, from text to the printed schedule: straight-line programs of 10^3
// to 10^6 lines at the effort kFast, without a schedule, and with one that places every second
// hundred of their ops on the GPU. Prints CPU seconds and ops/s of the best of some runs in one
// process, for the parts and for all, against 10^6 ops/s; ends with 1 if the largest misses that.
//
//   compile_bench [RUNS [LINES]]

#include <ctime>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "lang/parse_schedule.h"
#include "lang/print_schedule.h"
#include "lang/resolve_program.h"
#include "os/heap.h"
#include "plan/compile_net.h"
#include "program/carry_values.h"
#include "program/certify.h"
#include "program/compile_program.h"
#include "program/complete_schedule.h"
#include "program/find_way.h"
#include "program/order_lines.h"
#include "program/program_net.h"
#include "program/wishes.h"

namespace tinyai {
namespace {

constexpr double kOpsPerSecond = 1e6;
constexpr uint32_t kReach = 50, kStretch = 100;

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Each line joins two values that were made not long before.
std::string StraightLine(uint32_t lines) {
  std::mt19937_64 random(1);
  std::string out = "v0 = input();\nv1 = input();\n";
  for (uint32_t i = 2; i + 1 < lines; ++i) {
    const auto operand = [&] { return i - 1 - random() % std::min(i, kReach); };
    const uint64_t a = operand(), b = operand();
    fmt::format_to(std::back_inserter(out), "v{} = v{} {} v{};\n", i, a, "+-*"[random() % 3], b);
  }
  return out + fmt::format("output v{};\n", lines - 2);
}

std::string Alternating(uint32_t lines) {
  std::string out;
  for (uint32_t i = 2; i + 1 < lines; i += kStretch) {
    out += i / kStretch % 2 == 0 ? "CPU {\n" : "GPU {\n";
    for (uint32_t k = i; k < std::min(i + kStretch, lines - 1); ++k) {
      fmt::format_to(std::back_inserter(out), "  v{};\n", k);
    }
    out += "}\n";
  }
  return out;
}

class Bench {
 public:
  explicit Bench(int runs) : runs_(runs) {}

  bool Run(uint32_t lines, bool scheduled) {
    lines_ = lines;
    fmt::print("{} lines{}\n", lines, scheduled ? ", half of them placed on the GPU" : "");
    const SourceText values("values", StraightLine(lines));
    const SourceText wishes("wishes", scheduled ? Alternating(lines) : "");
    CompileOptions options;
    options.limits.effort = Effort::kFast;
    Passes(values, wishes, scheduled, options);
    std::optional<CompiledProgram> compiled;
    const auto compile = [&] {
      compiled.reset();
      Diagnostics said(values), said_of_wishes(wishes);
      Result<CompiledProgram> done =
          CompileProgram(said, scheduled ? &said_of_wishes : nullptr, options);
      if (!done) fmt::print("{}\n", Describe(done.error()));
      if (done) compiled = std::move(*done);
    };
    Part("compile", compile);
    if (!compiled) return false;
    Part("print", [&] { (void)PrintSchedule(compiled->schedule); });
    const double seconds = Part("compile and print", [&] {
      compile();
      (void)PrintSchedule(compiled->schedule);
    });
    const bool reached = lines / seconds >= kOpsPerSecond;
    if (!reached) fmt::print("  figure {:.1f} M ops/s: MISSED\n", kOpsPerSecond / 1e6);
    return reached;
  }

 private:
  // What CompileProgram does, one pass after the other; each works on what those before it left.
  void Passes(const SourceText& values, const SourceText& wishes_text, bool scheduled,
              const CompileOptions& options) const {
    Program program;
    Part("read the program", [&] {
      Diagnostics said(values);
      program = ResolveProgram(said);
    });
    Diagnostics said(wishes_text);
    Schedule schedule;
    if (scheduled) Part("read the schedule", [&] { schedule = ParseSchedule(said); });
    ProgramNet net;
    Part("make a net", [&] { net = BuildProgramNet(program, options.devices, options.costs); });
    Wishes wishes;
    ProgramNet wished;
    PartAfter(
        "resolve the schedule", [&] { wished = net; },
        [&] {
          wishes =
              ReadWishes(program, options.devices, options.costs, schedule, values, wished, said);
        });
    net = std::move(wished);
    ProgramNet ordered;
    PartAfter(
        "order its lines", [&] { ordered = net; },
        [&] {
          TakeListed(program, options.devices, values, wishes, ordered, said);
          (void)OrderLines(wishes, program, options.devices, values, ordered, said);
        });
    Result<PlannedNet> placed =
        CompileNet(ordered.net, NetObjective::ForPrograms(), options.limits);
    if (!placed) return;
    for (size_t i = 0; i < ordered.net.ops.size(); ++i) {
      NetOp& op = ordered.net.ops[i];
      op.choices = {*op.choice_at(placed->place_of[i])};
    }
    ProgramNet fitted;
    PartAfter(
        "carry and fit", [&] { fitted = ordered; },
        [&] {
          (void)CarryValues(program, options.devices, values, wishes, fitted, said);
          (void)FitUnlisted(wishes, program, fitted, said);
        });
    Result<PlannedNet> planned = placed;
    Part("plan the net",
         [&] { planned = CompileNet(fitted.net, NetObjective::ForPrograms(), options.limits); });
    if (!planned) return;
    CompiledProgram compiled;
    compiled.program = std::move(program);
    compiled.devices = options.devices;
    Adopt(std::move(*planned), std::move(fitted), wishes, compiled);
    Part("certify", [&] { (void)Certify(compiled, NetObjective::ForPrograms()); });
    Part("write the schedule", [&] { (void)CompleteSchedule(compiled, wishes); });
  }

  double Part(const char* name, const std::function<void()>& work) const {
    return PartAfter(
        name, [] {}, work);
  }
  // `before` is not counted.
  double PartAfter(const char* name, const std::function<void()>& before,
                   const std::function<void()>& work) const {
    double best = 1e9;
    for (int run = 0; run < runs_; ++run) {
      before();
      const double start = CpuSeconds();
      work();
      best = std::min(best, CpuSeconds() - start);
    }
    fmt::print("  {:<21} {:>8.1f} ms {:>9.3f} M ops/s\n", name, best * 1e3, lines_ / best / 1e6);
    return best;
  }

  const int runs_;
  uint32_t lines_ = 0;
};

int Main(int runs, uint32_t only) {
  Bench bench(runs);
  bool reached = true;
  for (const bool scheduled : {false, true}) {
    for (const uint32_t lines : {1'000u, 10'000u, 100'000u, 1'000'000u}) {
      if (only == 0 || only == lines) reached = bench.Run(lines, scheduled);
    }
  }
  return reached ? 0 : 1;
}

}  // namespace
}  // namespace tinyai

int main(int argc, char** argv) {
  tinyai::KeepFreedMemory();  // as `tinyai compile` does
  int runs = 3;
  uint32_t only = 0;
  if (argc > 1) std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), runs);
  if (argc > 2) std::from_chars(argv[2], argv[2] + std::strlen(argv[2]), only);
  return tinyai::Main(std::max(runs, 1), only);
}
