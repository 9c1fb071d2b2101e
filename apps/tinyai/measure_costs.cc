#include "measure_costs.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

#include "base/budget.h"
#include "base/units.h"
#include "device/run_program.h"
#include "engine/measure_compute.h"
#include "fmt/format.h"
#include "os/cpu_mask.h"
#include "os/machine.h"
#include "os/measure.h"
#include "os/signals.h"
#include "program/compile_program.h"

namespace tinyai {
namespace {

// Sides of square matrices, whose elements are the other tensors: one that fits a cache and one
// that fits none.
constexpr uint64_t kSmall = 32, kLarge = 384;
constexpr int kRuns = 9;
constexpr uint64_t kChain = 64;  // ops between which fences and syncs are put
// What a model's ops are measured on, more than any cache holds, and for how long.
constexpr uint64_t kMostMeasuredBlock = 256 * kMiB;
constexpr std::chrono::milliseconds kMeasuredTime(300);

// As cost files call it, and as it is written over a and t: tensors of n elements; p: their
// comparison; m: a as a matrix; x: a number.
struct Measured {
  std::string_view name, text;
  double bytes = 0;  // read and written, for each element
};
constexpr Measured kOps[] = {{"add", "a + t", 12},
                             {"sub", "a - t", 12},
                             {"mul", "a * t", 12},
                             {"div", "a / t", 12},
                             {"mod", "a % t", 12},
                             {"neg", "-a", 8},
                             {"abs", "abs(a)", 8},
                             {"sqrt", "sqrt(a)", 8},
                             {"exp", "exp(a)", 8},
                             {"log", "log(a)", 8},
                             {"sin", "sin(a)", 8},
                             {"cos", "cos(a)", 8},
                             {"tanh", "tanh(a)", 8},
                             {"floor", "floor(a)", 8},
                             {"min", "min(a, t)", 12},
                             {"max", "max(a, t)", 12},
                             {"pow", "pow(a, t)", 12},
                             {"equal", "a == t", 9},
                             {"not_equal", "a != t", 9},
                             {"less", "a < t", 9},
                             {"less_equal", "a <= t", 9},
                             {"greater", "a > t", 9},
                             {"greater_equal", "a >= t", 9},
                             {"and", "p && p", 3},
                             {"or", "p || p", 3},
                             {"not", "!p", 2},
                             {"select", "p ? a : t", 13},
                             {"convert", "i32(a)", 8},
                             {"element", "a[3]", 4},
                             {"array", "[x, x]", 0},
                             {"sum", "sum(a)", 4},
                             {"least", "least(a)", 4},
                             {"most", "most(a)", 4},
                             {"histogram", "histogram(a, 16)", 4},
                             {"transpose", "transpose(m)", 8},
                             {"rows", "rows(a, 1, n / 2)", 6},
                             {"concat", "concat(a, t)", 16},
                             {"shift", "shift(a, 1)", 8},
                             {"fill", "fill(x, [n])", 4},
                             {"iota", "iota(n)", 4},
                             {"matmul", "matmul(m, m)", 0}};

// Of several runs the shortest: whatever else the machine does only adds.
void KeepLeast(double& least, double seconds) { least = std::min(least, seconds); }
constexpr double kNever = std::numeric_limits<double>::infinity();

// What a program takes.
struct Timing {
  std::map<std::string, double> seconds;  // by op
  double whole = kNever;                  // from the first begin to the last end
  double waiting = kNever;                // of that not spent in ops
  uint64_t syncs = 0;
};

class Meter {
 public:
  Meter(const Devices& devices, GpuDevice* gpu) : gpu_(gpu) { options_.devices = devices; }

  Result<MeasuredCosts> Run() {
    for (const Devices::Place& place : options_.devices.places) {
      if (place.computes) TRY(MeasureOps(place.name));
    }
    TRY(MeasureFences());
    TRY(MeasureSyncs());
    for (const Devices::Link& link : options_.devices.links) TRY(MeasureLink(link));
    return std::move(out_);
  }

 private:
  Result<Timing> Time(const std::string& values, const std::string& schedule) const {
    const SourceText value_text("values", values), schedule_text("schedule", schedule);
    Diagnostics said(value_text), said_of_schedule(schedule_text);
    TRY_ASSIGN(const CompiledProgram compiled, CompileProgram(said, &said_of_schedule, options_));
    Timing out;
    out.syncs = compiled.plan.syncs();
    for (int run = 0; run < kRuns; ++run) {
      if (StopSignal() != 0) return Fail(ErrorCode::kCancelled, "CANCELLED", "stopped by a signal");
      ProgramInput input("0.5", "the measurement");
      Budget budget("measurement", Budget::kUnlimited);
      RunOptions options;
      options.gpu = gpu_;
      options.record = true;
      TRY_ASSIGN(const ProgramRun done, RunProgram(compiled, input, budget, options));
      int64_t begin = std::numeric_limits<int64_t>::max(), end = 0;
      double in_ops = 0;
      for (size_t place = 0; place < done.records.size(); ++place) {
        for (const CommandRecord& record : done.records[place]) {
          const NetCommand& command = compiled.plan.queues[place][record.command];
          const double took = static_cast<double>(record.end_ns - record.begin_ns) * 1e-9;
          const std::string& name = compiled.net.op(command.op).name;
          KeepLeast(out.seconds.try_emplace(name, kNever).first->second, took);
          in_ops += took;
          begin = std::min(begin, record.begin_ns);
          end = std::max(end, record.end_ns);
        }
      }
      const double whole = static_cast<double>(end - begin) * 1e-9;
      KeepLeast(out.whole, whole);
      KeepLeast(out.waiting, whole - in_ops);
    }
    return out;
  }

  static MeasuredCosts::Line Fit(double small, double large, double amount_small,
                                 double amount_large) {
    if (amount_large <= amount_small || large <= small) return {std::max(small, large), 0};
    const double per_second = (amount_large - amount_small) / (large - small);
    return {std::max(0.0, small - amount_small / per_second), per_second};
  }

  Result<Timing> TimeOps(const std::string& place, uint64_t side) const {
    std::string values = fmt::format(
        "const n = {0};\nx: f32 = input();\na = fill(x, [n]);\nt = fill(x * 0.5, [n]);\n"
        "p = a > t;\nm = reshape(a, [{1}, {1}]);\n",
        side * side, side);
    std::string schedule = place + " { a; t; p; m;";
    for (const Measured& op : kOps) {
      values += fmt::format("op_{} = {};\n", op.name, op.text);
      schedule += fmt::format(" op_{};", op.name);
    }
    return Time(values, schedule + " }\n");
  }
  Status MeasureOps(const std::string& place) {
    TRY_ASSIGN(const Timing small, TimeOps(place, kSmall));
    TRY_ASSIGN(const Timing large, TimeOps(place, kLarge));
    for (const Measured& op : kOps) {
      const std::string name = fmt::format("op_{}", op.name);
      const bool by_flops = op.name == "matmul";
      const auto amount = [&](uint64_t side) {
        const auto n = static_cast<double>(side);
        return by_flops ? 2 * n * n * n : op.bytes * n * n;
      };
      out_.ops.push_back(
          {std::string(op.name), place, by_flops,
           Fit(small.seconds.at(name), large.seconds.at(name), amount(kSmall), amount(kLarge))});
    }
    return {};
  }

  static std::string ChainValues() {
    std::string out = "x: f32 = input();\nc0 = x + 1.0;\n";
    for (uint64_t i = 1; i < kChain; ++i) out += fmt::format("c{} = c{} + 1.0;\n", i, i - 1);
    return out;
  }

  // A queue with a fence after every op, and one with none.
  Status MeasureFences() {
    std::string bare, fenced;
    for (uint64_t i = 0; i < kChain; ++i) {
      bare += fmt::format(" c{};", i);
      fenced += fmt::format(" c{}; --- f{};", i, i);
    }
    const std::string place = Computing().front() + " {";
    TRY_ASSIGN(const Timing without, Time(ChainValues(), place + bare + " }\n"));
    TRY_ASSIGN(const Timing with, Time(ChainValues(), place + fenced + " }\n"));
    out_.fence_seconds = std::max(1e-9, (with.whole - without.whole) / double{kChain});
    return {};
  }

  // From place to place and back: what is not spent in ops is spent on fences and syncs.
  Status MeasureSyncs() {
    const std::vector<std::string> places = Computing();
    if (places.size() < 2) return {};
    std::string schedule;
    for (uint64_t i = 0; i < kChain; ++i) {
      schedule += fmt::format("{} {{ c{}; }}\n", places[i % 2], i);
    }
    TRY_ASSIGN(const Timing timing, Time(ChainValues(), schedule));
    if (timing.syncs == 0) return {};
    const double each = timing.waiting / static_cast<double>(timing.syncs);
    out_.sync_seconds = std::max(1e-9, each - out_.fence_seconds);
    return {};
  }

  Status MeasureLink(const Devices::Link& link) {
    const std::optional<std::string> from = ComputingIn(link.from), to = ComputingIn(link.to);
    if (!from || !to) return {};
    const auto time = [&](uint64_t side) -> Result<double> {
      TRY_ASSIGN(
          const Timing timing,
          Time(fmt::format("x: f32 = input();\na = fill(x, [{}]);\nb = a + a;\n", side * side),
               fmt::format("{} {{ a; }}\n{} {{ b; }}\n", *from, *to)));
      const auto moved = timing.seconds.find("move a");
      return moved == timing.seconds.end() ? 0 : moved->second;
    };
    TRY_ASSIGN(const double small, time(kSmall));
    TRY_ASSIGN(const double large, time(kLarge));
    const auto bytes = [](uint64_t side) { return static_cast<double>(4 * side * side); };
    const Devices& devices = options_.devices;
    out_.links.push_back({devices.memories[link.from].name, devices.memories[link.to].name,
                          Fit(small, large, bytes(kSmall), bytes(kLarge))});
    return {};
  }

  std::vector<std::string> Computing() const {
    std::vector<std::string> out;
    for (const Devices::Place& place : options_.devices.places) {
      if (place.computes) out.push_back(place.name);
    }
    return out;
  }
  std::optional<std::string> ComputingIn(uint32_t memory) const {
    for (const Devices::Place& place : options_.devices.places) {
      if (place.computes && place.memory == memory) return place.name;
    }
    return std::nullopt;
  }

  CompileOptions options_;
  GpuDevice* gpu_;
  MeasuredCosts out_;
};

std::string Seconds(double seconds) {
  return seconds < 1e-6   ? fmt::format("{:.3g}ns", seconds * 1e9)
         : seconds < 1e-3 ? fmt::format("{:.3g}us", seconds * 1e6)
                          : fmt::format("{:.3g}ms", seconds * 1e3);
}

// Sizes count by 1024, operations by 1000.
std::string Rate(double per_second, bool flops) {
  const double step = flops ? 1000 : 1024;
  double value = per_second / step;
  size_t power = 0;
  for (; power < 3 && value >= step; ++power) value /= step;
  return fmt::format("{:.4g}{}{}/s", value, "KMGT"[power], flops ? "FLOP" : "B");
}

std::string Formula(const MeasuredCosts::Line& line, bool by_flops) {
  const std::string start = Seconds(line.start_seconds);
  if (line.per_second == 0) return start;
  return fmt::format("{} + {} / {}", start, by_flops ? "flops" : "bytes",
                     Rate(line.per_second, by_flops));
}

}  // namespace

Result<MeasuredCosts> MeasureCosts(const Devices& devices, GpuDevice* gpu) {
  return Meter(devices, gpu).Run();
}

Result<std::vector<MeasuredCosts::OfModels>> MeasureModelCosts(const Devices& devices) {
  std::vector<MeasuredCosts::OfModels> out;
  MeasuredCosts::OfModels thread;
  for (const Devices::Place& place : devices.places) {
    if (!place.computes || place.effects || place.api != Devices::Api::kThread) continue;
    if (out.empty()) {
      Budget budget("doctor", Budget::kUnlimited);
      const Machine machine = ProbeMachine();
      const uint64_t block =
          std::clamp(machine.available_bytes / 8, uint64_t{kMiB}, kMostMeasuredBlock);
      TRY_ASSIGN(const std::vector<uint32_t> cpus, ChooseCpus({}, 1));
      TRY_ASSIGN(thread.activation_bytes_per_second,
                 MeasureMemoryRate(budget, 1, block, kMeasuredTime));
      TRY_ASSIGN(const ProductRate products,
                 MeasureProductRate(budget, cpus, block, kMeasuredTime));
      thread.product_bytes_per_second = products.bytes_per_second;
      TRY_ASSIGN(thread.macs_per_second, MeasureComputeRate(budget, cpus, kMeasuredTime));
    }
    thread.place = place.name;
    out.push_back(thread);
  }
  return out;
}

std::string CostFileText(const MeasuredCosts& costs, const std::string& machine) {
  std::string out = fmt::format("// Measured by tinyai doctor: {}.\n", machine);
  for (const MeasuredCosts::Link& link : costs.links) {
    out += fmt::format("// For a device file: link {} -> {} = {};\n", link.from, link.to,
                       Formula(link.cost, false));
  }
  out += fmt::format("cost measured {{\n  fence = {};\n  sync = {};\n",
                     Seconds(costs.fence_seconds), Seconds(costs.sync_seconds));
  for (const MeasuredCosts::Op& op : costs.ops) {
    out += fmt::format("  op {} on {} = {};\n", op.name, op.place, Formula(op.cost, op.by_flops));
  }
  for (const MeasuredCosts::OfModels& one : costs.models) {
    out += fmt::format(
        "  op product on {0} = max(bytes / {1}, flops / {2});\n  op activation on {0} = bytes / "
        "{3};\n",
        one.place, Rate(one.product_bytes_per_second, false), Rate(2 * one.macs_per_second, true),
        Rate(one.activation_bytes_per_second, false));
  }
  return out + "}\n";
}

}  // namespace tinyai
