#include "compile.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "engine/drift.h"
#include "fmt/format.h"
#include "format_file.h"
#include "json.h"
#include "lang/print_schedule.h"
#include "os/heap.h"
#include "output_file.h"
#include "pareto_table.h"
#include "program/compile_program.h"
#include "program/complete_schedule.h"
#include "program/read_machine.h"
#include "program_view.h"
#include "run_compiled.h"
#include "stoppable_search.h"
#include "view/write_view.h"
#include "whole_file.h"

namespace tinyai {
namespace {

using WriteView = Status (*)(const NetView&, const TextSink&);
struct Form {
  std::string_view name;
  WriteView write;  // null: the completed schedule
};
constexpr Form kForms[] = {{"schedule", nullptr},
                           {"json", WriteJson},
                           {"trace", WriteTrace},
                           {"html", WritePage},
                           {"dot", WriteDot}};

Json ToJson(const CompiledProgram& compiled) {
  const Certificate& certificate = compiled.certificate;
  Json out;
  out["fences"] = certificate.fences.value;
  out["syncs"] = certificate.syncs.value;
  out["lower_bound"] = certificate.syncs.lower_bound;
  out["optimal"] = certificate.optimal;
  out["witness"] = Json::array();
  for (const std::vector<std::string>& path : certificate.witness) out["witness"].push_back(path);
  out["bytes_moved"] = certificate.moved_bytes;
  out["peak"] = Json::object();
  for (const Certificate::Peak& peak : certificate.peaks) {
    out["peak"][peak.memory] = peak.bytes.value;
  }
  out["loops"] = Json::array();
  for (const Certificate::LoopFigures& loop : certificate.loops) {
    out["loops"].push_back({{"name", loop.name},
                            {"syncs", loop.syncs},
                            {"fences", loop.fences},
                            {"window", loop.window},
                            {"lower_bound", loop.lower_bound * static_cast<double>(loop.window)},
                            {"witness", loop.witness}});
  }
  out["makespan_seconds"] = certificate.makespan;
  out["schedule"] = PrintSchedule(compiled.schedule);
  return out;
}

const Form* FindForm(std::string_view name) {
  const auto* const form = std::find_if(std::begin(kForms), std::end(kForms),
                                        [&](const Form& known) { return known.name == name; });
  return form == std::end(kForms) ? nullptr : form;
}

class CompileJob {
 public:
  explicit CompileJob(const CompileFlags& flags) : flags_(flags), form_(FindForm(flags.form)) {}
  Result<int> Run(Console& console);

 private:
  Status ReadTexts();
  // What the flags name, if they do. What is said about it is kept for people.
  Status ReadMachine(CompileOptions& options, Console& console);
  Status Emit(const CompiledProgram& compiled, Console& console) const;
  void TellDrift(double predicted, double seconds, Console& console, Json& out) const;
  // An error of a run at a byte of the program, with its line.
  Error InProgram(Error error) const;

  const CompileFlags& flags_;
  const Form* const form_;
  std::optional<SourceText> program_text_, schedule_text_, device_text_, cost_text_;
  std::optional<Diagnostics> costs_;
};

SourceText Named(const std::string& file, std::string text) {
  return SourceText(file == "-" ? "<stdin>" : file, std::move(text));
}

Status CompileJob::ReadTexts() {
  TRY_ASSIGN(std::string text, ReadWholeFile(flags_.program, kMostSourceBytes));
  program_text_.emplace(Named(flags_.program, std::move(text)));
  if (!flags_.schedule) return {};
  TRY_ASSIGN(std::string wishes, ReadWholeFile(*flags_.schedule, kMostSourceBytes));
  schedule_text_.emplace(Named(*flags_.schedule, std::move(wishes)));
  return {};
}

Status CompileJob::ReadMachine(CompileOptions& options, Console& console) {
  if (flags_.device) {
    TRY_ASSIGN(std::string text, ReadWholeFile(*flags_.device, kMostSourceBytes));
    device_text_.emplace(Named(*flags_.device, std::move(text)));
    Diagnostics said(*device_text_);
    Result<Devices> devices = ReadDevices(said);
    console.Explain(said);
    if (!devices) return tl::unexpected<Error>(std::move(devices).error());
    options.devices = std::move(*devices);
  }
  if (!flags_.cost) return {};
  TRY_ASSIGN(std::string text, ReadWholeFile(*flags_.cost, kMostSourceBytes));
  cost_text_.emplace(Named(*flags_.cost, std::move(text)));
  costs_.emplace(*cost_text_);
  Result<Costs> costs = ReadCosts(options.devices, *costs_);
  if (!costs) {
    console.Explain(*costs_);
    return tl::unexpected<Error>(std::move(costs).error());
  }
  options.costs = std::move(*costs);
  options.cost_text = &*costs_;
  return {};
}

Status CompileJob::Emit(const CompiledProgram& compiled, Console& console) const {
  std::string out;
  const ProgramView view(compiled, flags_.program);
  TRY(form_->write(view.view(), [&](std::string_view text) -> Status {
    out += text;
    return {};
  }));
  return console.Answer(out);
}

// Whether costs that somebody has measured are those of this machine.
void CompileJob::TellDrift(double predicted, double seconds, Console& console, Json& out) const {
  // Seconds that threads may wait for a processor on a busy machine, which no cost is for.
  constexpr double kDisturbance = 0.05;
  const bool far = (seconds > Drift::kFarOff * predicted && seconds > predicted + kDisturbance) ||
                   (predicted > Drift::kFarOff * seconds && predicted > seconds + kDisturbance);
  out["predicted_seconds"] = predicted;
  out["drift"] = far;
  if (!far) return;
  console.Note(
      fmt::format("by {} it should have taken {:.3g} ms, it was {:.3g} ms: the costs are not "
                  "those of this machine; tinyai doctor --cost FILE measures them",
                  *flags_.cost, predicted * 1e3, seconds * 1e3));
}

Error CompileJob::InProgram(Error error) const {
  if (!error.file.empty() || !error.offset) return error;
  const auto offset = static_cast<uint32_t>(*std::exchange(error.offset, std::nullopt));
  error.message = fmt::format("{}: {}", program_text_->Locate(offset), error.message);
  return error;
}

Result<int> CompileJob::Run(Console& console) {
  TRY(flags_.search.Check());
  TRY(ReadTexts());
  CompileOptions options;
  options.pareto = flags_.pareto;
  TRY(ReadMachine(options, console));
  std::unique_ptr<GpuDevice> gpu;
  if (flags_.run.run) {
    TRY_ASSIGN(gpu, OpenGpuFor(options.devices, flags_.run, console));
  }
  Diagnostics values(*program_text_);
  std::optional<Diagnostics> schedule;
  if (schedule_text_) schedule.emplace(*schedule_text_);
  TRY_ASSIGN(std::unique_ptr<StoppableSearch> search, StoppableSearch::Start(flags_.search));
  options.limits = search->limits();
  Result<CompiledProgram> compiled =
      CompileProgram(values, schedule ? &*schedule : nullptr, options);
  search.reset();  // a run has its own way to stop
  console.Explain(values);
  if (schedule) console.Explain(*schedule);
  if (costs_) console.Explain(*costs_);
  if (!compiled) return tl::unexpected<Error>(std::move(compiled).error());
  Json out = Json::object();
  if (flags_.run.run) {
    Result<double> seconds = RunCompiled(*compiled, flags_.run, gpu.get(), console, out);
    if (!seconds) return tl::unexpected(InProgram(std::move(seconds).error()));
    if (!options.costs.ops.empty()) {
      TellDrift(compiled->certificate.makespan, *seconds, console, out);
    }
  }
  if (console.json && form_->write == nullptr) {
    out.update(ToJson(*compiled));
    if (flags_.pareto) out["pareto"] = ParetoToJson(*compiled);
    out["errors"] = Json::array();
    out["warnings"] = Json::array();
    for (const LocatedDiagnostic& one : console.explained()) {
      out["warnings"].push_back(tinyai::ToJson(one));
    }
    TRY(console.Answer(Dump(out)));
  } else if (flags_.run.run) {
    return 0;
  } else if (flags_.pareto) {
    TRY(console.Answer(ParetoTable(*compiled)));
  } else if (flags_.check) {
    TRY(console.Answer(CertificateText(compiled->certificate) + "\n"));
  } else if (form_->write != nullptr) {
    TRY(Emit(*compiled, console));
  } else {
    TRY(console.Answer(PrintSchedule(compiled->schedule)));
  }
  return ExitCodeOfSearch(0, console);
}

}  // namespace

bool IsCompileForm(std::string_view name) { return FindForm(name) != nullptr; }

Result<int> RunCompile(const CompileFlags& flags, Console& console) {
  if (flags.format) {
    if (flags.schedule) {
      return Fail(ErrorCode::kUsage, "BAD_OPTION", "--format takes one file at a time");
    }
    TRY(FormatFile(flags.program, flags.check, console));
    return 0;
  }
  KeepFreedMemory();
  return CompileJob(flags).Run(console);
}

}  // namespace tinyai
