#include "engine/verify.h"

#include "base/escape.h"
#include "base/units.h"
#include "command.h"
#include "engine/model.h"
#include "fmt/format.h"
#include "json.h"
#include "os/signals.h"
#include "session_flags.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostMemory = 64 * kMiB;
constexpr double kProgressStep = 0.01;  // of the whole

uint64_t FirstOffset(const TensorDefect& defect) {
  return defect.bad_blocks > 0 ? defect.first_bad_offset : defect.first_offset;
}

Json ToJson(const TensorDefect& defect, const ModelFile& file) {
  Json out;
  out["tensor"] = defect.tensor;
  out["nans"] = defect.nans;
  out["infinities"] = defect.infinities;
  out["first_element"] = defect.first_element;
  out["file"] = file.parts[defect.part];
  out["offset"] = FirstOffset(defect);
  if (file.checksums) out["bad_blocks"] = defect.bad_blocks;
  return out;
}

std::string Line(const TensorDefect& defect) {
  if (defect.bad_blocks > 0) {
    return fmt::format(
        "{}: {} damaged, the first is block {} at byte {}", EscapeControl(defect.tensor),
        defect.bad_blocks == 1 ? "1 block" : fmt::format("{} blocks", defect.bad_blocks),
        defect.first_bad_block, defect.first_bad_offset);
  }
  return fmt::format("{}: {} NaN, {} infinite, the first is element {} at byte {}",
                     EscapeControl(defect.tensor), defect.nans, defect.infinities,
                     defect.first_element, defect.first_offset);
}

// `tinyai verify`: whether a model file is whole and its weights are numbers.
class VerifyCommand : public Command {
 public:
  void AddFlags(Flags& flags) override { model_.AddTo(flags); }

  Result<int> Run(Console& console) override {
    TRY_ASSIGN(OpenedModelFile opened, model_.Open(console));
    TRY_ASSIGN(const std::shared_ptr<const Model> model,
               Model::Open(std::move(opened), {.any_graph = true}));
    if (!console.json) TRY(PrintWarnings(*model, console));
    const std::vector<const ByteSource*> sources(model->sources().begin(), model->sources().end());
    Budget budget("verify", kMostMemory);
    double shown = 0;
    TRY_ASSIGN(const VerifyReport report,
               VerifyTensors(model->file(), sources, budget, [&](const VerifyProgress& progress) {
                 ShowProgress(progress, shown, console);
                 return StopSignal() == 0;
               }));
    return Finish(*model, report, console);
  }

 private:
  static Status PrintWarnings(const Model& model, Console& console) {
    for (const std::string& warning : model.Warnings()) {
      TRY(console.Answer(fmt::format("warning: {}\n", EscapeControl(warning))));
    }
    return {};
  }

  static void ShowProgress(const VerifyProgress& progress, double& shown, Console& console) {
    const double share = static_cast<double>(progress.bytes_done) /
                         static_cast<double>(std::max<uint64_t>(progress.bytes, 1));
    if (share < shown + kProgressStep) return;
    shown = share;
    console.Progress(fmt::format("{:3.0f} %  {}", share * 100, EscapeControl(progress.tensor)));
  }

  static Result<int> Finish(const Model& model, const VerifyReport& report, Console& console) {
    if (console.json) {
      TRY(console.Answer(Dump(Answer(model, report))));
    } else {
      for (const TensorDefect& defect : report.defects) TRY(console.Answer(Line(defect) + "\n"));
      TRY(console.Answer(
          fmt::format("{} tensors, {}: {}\n", report.tensors, FormatByteSize(report.bytes),
                      report.defects.empty() ? WholeText(model)
                                             : fmt::format("{} damaged", report.defects.size()))));
    }
    if (report.defects.empty()) return 0;
    const TensorDefect& first = report.defects.front();
    const Error error = {ErrorCode::kBadFile,
                         first.bad_blocks > 0 ? std::string_view("TMAI_CHECKSUM")
                                              : std::string_view("MODEL_WEIGHTS"),
                         Line(first), model.file().parts[first.part], FirstOffset(first)};
    console.Fail(error);
    return static_cast<int>(ErrorCode::kBadFile);
  }

  static std::string_view WholeText(const Model& model) {
    return model.file().checksums ? "every block is as it was written, every weight a finite number"
                                  : "every weight is a finite number";
  }

  static Json Answer(const Model& model, const VerifyReport& report) {
    Json out;
    out["ok"] = report.defects.empty();
    out["tensors"] = report.tensors;
    out["bytes"] = report.bytes;
    out["warnings"] = model.Warnings();
    Json& defects = out["defects"] = Json::array();
    for (const TensorDefect& defect : report.defects) {
      defects.push_back(ToJson(defect, model.file()));
    }
    return out;
  }

  ModelFlags model_;
};

}  // namespace

std::unique_ptr<Command> MakeVerifyCommand() { return std::make_unique<VerifyCommand>(); }

}  // namespace tinyai
