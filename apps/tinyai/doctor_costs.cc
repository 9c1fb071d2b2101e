#include "doctor_costs.h"

#include <memory>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "json.h"
#include "measure_costs.h"
#include "os/machine.h"
#include "output_file.h"
#include "program/read_machine.h"
#include "run_compiled.h"
#include "whole_file.h"

namespace tinyai {
namespace {

Result<Devices> ReadDeviceFile(const std::string& path, Console& console) {
  TRY_ASSIGN(std::string text, ReadWholeFile(path, kMostSourceBytes));
  const SourceText source(path, std::move(text));
  Diagnostics said(source);
  Result<Devices> devices = ReadDevices(said);
  console.Explain(said);
  return devices;
}

}  // namespace

Status WriteCostFile(const CostFileFlags& flags, Console& console) {
  if (!flags.cost) {
    return Fail(ErrorCode::kUsage, "BAD_OPTION", "--device and --gpu are for --cost FILE");
  }
  Devices devices = UsualDevices();
  std::vector<std::unique_ptr<File>> inputs;
  std::vector<const File*> kept;
  if (flags.device) {
    TRY_ASSIGN(devices, ReadDeviceFile(*flags.device, console));
    TRY_ASSIGN(inputs.emplace_back(), File::Open(*flags.device));
    kept.push_back(inputs.back().get());
  }
  // What cannot be written is known before anything is measured.
  TRY_ASSIGN(OutputFile file, OutputFile::Open(*flags.cost, kept));
  RunProgramFlags run;
  run.gpu = flags.gpu;
  TRY_ASSIGN(const std::unique_ptr<GpuDevice> gpu, OpenGpuFor(devices, run, console));
  console.Progress("programs");
  TRY_ASSIGN(MeasuredCosts costs, MeasureCosts(devices, gpu.get()));
  TRY_ASSIGN(costs.models, MeasureModelCosts(devices));
  TRY(file.Write(CostFileText(costs, ProbeMachineFacts().cpu_model)));
  TRY(file.Commit());
  if (console.json) {
    return console.Answer(Dump({{"cost", *flags.cost},
                                {"ops", costs.ops.size()},
                                {"fence_seconds", costs.fence_seconds},
                                {"sync_seconds", costs.sync_seconds}}));
  }
  return console.Answer(fmt::format("{}: {} costs of ops, a fence {:.3g} us, a sync {:.3g} us\n",
                                    *flags.cost, costs.ops.size(), costs.fence_seconds * 1e6,
                                    costs.sync_seconds * 1e6));
}

}  // namespace tinyai
