#include "engine/convert.h"

#include "base/escape.h"
#include "base/units.h"
#include "command.h"
#include "fmt/format.h"
#include "json.h"
#include "os/signals.h"

namespace tinyai {
namespace {

constexpr double kProgressStep = 0.01;  // of the whole

// `tinyai convert`: a model of another format as a .tmai file.
class ConvertCommand : public Command {
 public:
  void AddFlags(Flags& flags) override {
    flags.Word("MODEL",
               "what to convert: a GGUF file, the first part of a split one, or the folder of a "
               "Hugging Face model",
               &from_);
    flags.Word("OUT.tmai", "the file to write", &to_);
    flags.Switch("--force", "replace OUT.tmai if it is there, once the new one is whole", &force_);
  }

  Result<int> Run(Console& console) override {
    TRY_ASSIGN(const OpenedModelFile model, OpenModelFile(from_));
    double shown = 0;
    TRY_ASSIGN(const ConvertReport report,
               ConvertModel(model, to_, force_, [&](const WriteProgress& progress) {
                 ShowProgress(progress, shown, console);
                 return StopSignal() == 0;
               }));
    console.EndProgress();
    if (console.json) {
      Json out;
      out["file"] = to_;
      out["bytes"] = report.bytes;
      out["tensors"] = report.tensors;
      TRY(console.Answer(Dump(out)));
    } else {
      TRY(console.Answer(fmt::format("{}: {} tensors, {}\n", EscapeControl(to_), report.tensors,
                                     FormatByteSize(report.bytes))));
    }
    return 0;
  }

 private:
  static void ShowProgress(const WriteProgress& progress, double& shown, Console& console) {
    const double share = static_cast<double>(progress.bytes_done) /
                         static_cast<double>(std::max<uint64_t>(progress.bytes, 1));
    if (share < shown + kProgressStep) return;
    shown = share;
    console.Progress(fmt::format("{:3.0f} %  {} of {}", share * 100,
                                 FormatByteSize(progress.bytes_done),
                                 FormatByteSize(progress.bytes)));
  }

  std::string from_, to_;
  bool force_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeConvertCommand() { return std::make_unique<ConvertCommand>(); }

}  // namespace tinyai
