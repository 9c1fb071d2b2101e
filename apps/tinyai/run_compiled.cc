#include "run_compiled.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <limits>
#include <utility>

#include "device/extern_kernels.h"
#include "device/run_program.h"
#include "fmt/format.h"
#include "gpu/self_check.h"
#include "output_file.h"
#include "stop_watcher.h"
#include "view/trace_writer.h"
#include "whole_file.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostInputBytes = uint64_t{1} << 30;

Result<ProgramInput> ReadInput(const RunProgramFlags& flags) {
  if (!flags.input) return ProgramInput("", "no --input");
  std::error_code ignored;
  if (*flags.input != "-" && !std::filesystem::exists(*flags.input, ignored)) {
    return ProgramInput(*flags.input, "--input");
  }
  TRY_ASSIGN(std::string text, ReadWholeFile(*flags.input, kMostInputBytes));
  return ProgramInput(std::move(text), *flags.input == "-" ? "<stdin>" : *flags.input);
}

Result<std::unique_ptr<GpuDevice>> OpenChecked(const std::string& wish) {
  TRY_ASSIGN(std::unique_ptr<GpuDevice> gpu, GpuDevice::Open({.wish = wish}));
  TRY(CheckGpu(*gpu));
  return gpu;
}

// A number in JSON, or text where JSON has none of that kind.
Json ToJson(const ProgramOutput& output) {
  const std::string text = FormatValue(output.type, output.value.data());
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) value = text;
  return {{"name", output.name}, {"type", TypeText(output.type)}, {"value", std::move(value)}};
}

Status WriteRunTrace(const CompiledProgram& compiled, const ProgramRun& run, OutputFile& file) {
  const TextSink sink = [&](std::string_view text) { return file.Write(text); };
  TraceWriter writer(sink, "measured: " + compiled.program.name);
  for (const NetPlace& place : compiled.net.places) writer.AddLane(place.name);
  for (size_t place = 0; place < run.records.size(); ++place) {
    for (const CommandRecord& record : run.records[place]) {
      const NetCommand& command = compiled.plan.queues[place][record.command];
      const TraceWriter::Args args = {{"command", std::to_string(record.command)},
                                      {"taken", record.taken ? "true" : "false"},
                                      {"stalled_us", std::to_string(record.stalled_us)}};
      writer.AddSpan(place, compiled.net.op(command.op).name,
                     static_cast<double>(record.begin_ns - run.begin_ns) * 1e-9,
                     static_cast<double>(record.end_ns - record.begin_ns) * 1e-9, args);
    }
  }
  TRY(writer.Finish());
  return file.Commit();
}

}  // namespace

Result<std::unique_ptr<GpuDevice>> OpenGpuFor(Devices& devices, const RunProgramFlags& flags,
                                              Console& console) {
  const bool wanted =
      std::any_of(devices.places.begin(), devices.places.end(),
                  [](const Devices::Place& place) { return place.api == Devices::Api::kVulkan; });
  if (!wanted || flags.gpu == "none") return nullptr;
  Result<std::unique_ptr<GpuDevice>> gpu = OpenChecked(flags.gpu.value_or(""));
  if (gpu) {
    AlignForGpu(devices);
    return gpu;
  }
  if (flags.gpu) return gpu;
  console.Note("no GPU, its places are threads of the CPU: " + Describe(gpu.error()));
  return nullptr;
}

Result<double> RunCompiled(const CompiledProgram& compiled, const RunProgramFlags& flags,
                           GpuDevice* gpu, Console& console, Json& out) {
  TRY_ASSIGN(ProgramInput input, ReadInput(flags));
  ExternKernels kernels;
  for (const std::string& file : flags.kernels) TRY(kernels.AddFile(file));
  std::optional<OutputFile> trace;
  if (flags.trace) {  // what cannot be written is known before anything runs
    TRY_ASSIGN(trace, OutputFile::Open(*flags.trace));
  }
  std::atomic<bool> stop = false;
  TRY_ASSIGN(const std::unique_ptr<StopWatcher> watcher, StopWatcher::Start());
  watcher->CallOnStop([&] { stop = true; });
  Budget budget("program", Budget::kUnlimited);
  RunOptions options;
  options.gpu = gpu;
  options.kernels = &kernels;
  options.record = trace.has_value();
  options.stop = &stop;
  const Result<ProgramRun> run = RunProgram(compiled, input, budget, options);
  watcher->CallOnStop({});
  if (!run) return tl::unexpected(run.error());
  if (trace) TRY(WriteRunTrace(compiled, *run, *trace));
  if (run->trapped) {
    console.Note("trap: a whole number was divided by zero, which gives 0");
  }
  const double seconds = static_cast<double>(run->end_ns - run->begin_ns) * 1e-9;
  if (console.json) {
    out["outputs"] = Json::array();
    for (const ProgramOutput& output : run->outputs) out["outputs"].push_back(ToJson(output));
    out["trapped"] = run->trapped;
    out["seconds"] = seconds;
    return seconds;
  }
  for (const ProgramOutput& output : run->outputs) {
    TRY(console.Answer(output.name + " = " + FormatValue(output.type, output.value.data()) + "\n"));
  }
  return seconds;
}

}  // namespace tinyai
