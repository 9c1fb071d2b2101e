#include "engine/convert.h"

#include <array>

#include "base/escape.h"
#include "base/units.h"
#include "command.h"
#include "engine/convert_onnx.h"
#include "engine/mapped_model.h"
#include "engine/save_model.h"
#include "fmt/format.h"
#include "json.h"
#include "os/signals.h"
#include "session_flags.h"

namespace tinyai {
namespace {

constexpr double kProgressStep = 0.01;  // of the whole

constexpr size_t kRoles = static_cast<size_t>(LayerRole::kConv) + 1;
constexpr int64_t kMostBlock = 1 << 20;

tl::unexpected<Error> BadOption(std::string message) {
  return Fail(ErrorCode::kUsage, "BAD_OPTION", std::move(message));
}

// What becomes of the weights on the way.
struct Transformation {
  std::array<std::optional<DType>, kRoles> types;  // by role; nothing: as they are
  double sparsity = 0;
  int64_t block = 1;
  bool asked = false;

  Status ParseTypes(std::string_view text);
  Status ParseSparsity(std::string_view text);
  Status Apply(MappedModel& model) const;

 private:
  static Result<DType> ParseType(std::string_view text);
};

Result<DType> Transformation::ParseType(std::string_view text) {
  if (text == "int8") return DType::kQ8_0;
  if (text == "int4") return DType::kQ4_0;
  if (text == "int2") return DType::kInt2;
  const std::optional<DType> type = DTypeFromName(text);
  for (const DType known : {DType::kF32, DType::kF16, DType::kBF16}) {
    if (type == known) return known;
  }
  return BadOption(fmt::format("'{}' is none of f32, f16, bf16, int8, int4, int2", text));
}

// "int4", or by role: "ffn=int4,attention=int8".
Status Transformation::ParseTypes(std::string_view text) {
  asked = true;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view item = text.substr(begin, end - begin);
    const size_t equals = item.find('=');
    begin = end + 1;
    if (equals == std::string_view::npos) {
      TRY_ASSIGN(const DType type, ParseType(item));
      types.fill(type);
      continue;
    }
    const std::optional<LayerRole> role = LayerRoleFromName(item.substr(0, equals));
    if (!role) {
      return BadOption(fmt::format(
          "'{}' is no role of layers: embedding, attention, ffn, output, norm, conv, other",
          item.substr(0, equals)));
    }
    TRY_ASSIGN(types[static_cast<size_t>(*role)], ParseType(item.substr(equals + 1)));
  }
  return {};
}

Status Transformation::ParseSparsity(std::string_view text) {
  asked = true;
  TRY_ASSIGN(sparsity, ParseDecimal(text));
  if (sparsity >= 0 && sparsity <= 1) return {};
  return BadOption(fmt::format("a share of {}: it goes from 0 to 1", text));
}

Status Transformation::Apply(MappedModel& model) const {
  std::vector<std::optional<DType>> wanted;
  std::vector<LayerPruning> pruned;
  for (uint32_t i = 0; i < model.layer_count(); ++i) {
    const LayerRole role = model.layer(i).role;
    wanted.push_back(types[static_cast<size_t>(role)]);
    pruned.push_back({.pruning = {.sparsity = IsPrunedUnasked(role) ? sparsity : 0,
                                  .block = static_cast<uint64_t>(block)}});
  }
  return model.Transform(wanted, pruned);
}

// `tinyai convert`: a model of another format as a .tmai file, and with other weights.
class ConvertCommand : public Command {
 public:
  void AddFlags(Flags& flags) override {
    flags.Word("MODEL",
               "what to convert: a GGUF file, the first part of a split one, the folder of a "
               "Hugging Face model, or an ONNX model",
               &from_);
    flags.Word("OUT.tmai", "the file to write", &to_);
    flags.Value("--dim", "NAME=SIZE",
                "of an ONNX model: the sizes of axes that have a name only: seq=128,height=64",
                [this](std::string_view text) { return ParseDims(text, onnx_); });
    flags.Value(
        "--precision", "TYPES",
        "of the weight matrices: f32, f16, bf16, int8, int4 or int2, or by what layers are for: "
        "ffn=int4,attention=int8",
        [this](std::string_view text) { return transformation_.ParseTypes(text); });
    flags.Value("--prune", "SHARE",
                "make this share of the weights of each matrix zero, the smallest first (0 to 1; "
                "not of embeddings, outputs and norms)",
                [this](std::string_view text) { return transformation_.ParseSparsity(text); });
    flags.Integer("--prune-block", "prune in blocks of so many rows and columns (1)",
                  &transformation_.block, 1, kMostBlock);
    flags.Switch("--force", "replace OUT.tmai if it is there, once the new one is whole", &force_);
  }

  Result<int> Run(Console& console) override {
    double shown = 0;
    TRY_ASSIGN(const ConvertReport report, Convert([&](const WriteProgress& progress) {
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
  Result<ConvertReport> Convert(const std::function<bool(const WriteProgress&)>& progress) const {
    const bool is_onnx = IsOnnxFile(from_);
    if (is_onnx && transformation_.asked) {
      return BadOption(
          "an ONNX model is converted as it is; convert the .tmai file again with --precision or "
          "--prune");
    }
    if (is_onnx) return ConvertOnnx(from_, onnx_, to_, force_, progress);
    if (!onnx_.sizes.empty()) return BadOption("--dim is for ONNX models");
    if (!transformation_.asked) {
      TRY_ASSIGN(const OpenedModelFile model, OpenModelFile(from_));
      return ConvertModel(model, to_, force_, progress);
    }
    TRY_ASSIGN(const std::shared_ptr<MappedModel> model,
               MappedModel::Open(from_, {.prefetch = false}, {}));
    TRY(transformation_.Apply(*model));
    return SaveModel(*model, to_, force_, progress);
  }

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
  OnnxOptions onnx_;
  Transformation transformation_;
  bool force_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeConvertCommand() { return std::make_unique<ConvertCommand>(); }

}  // namespace tinyai
