#include "session_flags.h"

#include <algorithm>
#include <filesystem>

#include "base/units.h"
#include "embedded_model.h"
#include "fmt/format.h"
#include "os/cache_directory.h"
#include "os/cpu_mask.h"
#include "os/machine.h"
#include "os/rates_cache.h"
#include "os/signals.h"

namespace tinyai {
namespace {

constexpr int64_t kMostContext = int64_t{1} << 32;
constexpr int64_t kMostChunk = 1 << 16;
constexpr double kMostSeconds = 1e6;
constexpr int64_t kMostDim = 1 << 24;

tl::unexpected<Error> NoneOf(std::string_view text, std::string_view allowed) {
  return Fail(ErrorCode::kUsage, "BAD_OPTION", fmt::format("'{}' is none of {}", text, allowed));
}

void AddCacheType(Flags& flags, std::string_view names, std::string_view help,
                  std::optional<DType>* target) {
  flags.Value(names, "TYPE", help, [=](std::string_view text) -> Status {
    const std::optional<DType> type = DTypeFromName(text);
    if (!type || (*type != DType::kF16 && *type != DType::kQ8_0 && *type != DType::kF32)) {
      return NoneOf(text, "f16, q8_0, f32");
    }
    *target = *type;
    return {};
  });
}

Status ParseIoPath(std::string_view text, IoPath& target) {
  const auto* const found = std::find(std::begin(kIoPathNames), std::end(kIoPathNames), text);
  if (found == std::end(kIoPathNames)) return NoneOf(text, "auto, uring, direct, buffered");
  target = static_cast<IoPath>(found - std::begin(kIoPathNames));
  return {};
}

Status ParseSeconds(std::string_view text, std::chrono::nanoseconds& target) {
  TRY_ASSIGN(const double seconds, ParseDecimal(text));
  if (!(seconds > 0 && seconds <= kMostSeconds)) {
    return Fail(
        ErrorCode::kUsage, "BAD_OPTION",
        fmt::format("{} s is not a time-out; use more than 0 and at most {}", text, kMostSeconds));
  }
  target = std::chrono::nanoseconds(static_cast<int64_t>(seconds * 1e9));
  return {};
}

// The number of compute threads, at least one and no more than CPUs.
uint32_t ClampThreads(int64_t asked, const Machine& machine, Console& console) {
  const auto cpus = static_cast<int64_t>(AllowedCpus().size());
  if (asked >= 1 && asked <= cpus) return static_cast<uint32_t>(asked);
  const int64_t used = asked < 1 ? machine.threads : cpus;
  console.Note(fmt::format("{} threads asked for; using {}, {}", asked, used,
                           asked < 1 ? "one per core" : "one per CPU"));
  return static_cast<uint32_t>(used);
}

Status ParseMode(std::string_view text, PlanMode& mode) {
  for (const PlanMode known :
       {PlanMode::kAdaptive, PlanMode::kNormal, PlanMode::kMemoryOptimised, PlanMode::kStreaming}) {
    if (text != Name(known)) continue;
    mode = known;
    return {};
  }
  return NoneOf(text, "adaptive, normal, memory, streaming");
}

}  // namespace

void ModelFlags::AddTo(Flags& flags) {
  flags.Text("-m,--model", "FILE",
             "GGUF, .tmai or ONNX file, or a folder of Hugging Face; without it the small "
             "fairy-tale model inside tinyai",
             &path);
  flags.Value("--dim", "NAME=SIZE",
              "of an ONNX model: the sizes of axes that have a name only: seq=128,height=64",
              [this](std::string_view text) { return ParseDims(text, onnx); });
}

Status ParseDims(std::string_view text, OnnxOptions& options) {
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view item = text.substr(begin, end - begin);
    const size_t equals = std::min(item.rfind('='), item.size());
    begin = end + 1;
    if (equals == 0 || equals == item.size()) {
      return Fail(ErrorCode::kUsage, "BAD_OPTION", fmt::format("'{}' is no NAME=SIZE", item));
    }
    TRY_ASSIGN(const int64_t size, ParseInteger(item.substr(equals + 1), 1, kMostDim));
    options.sizes[std::string(item.substr(0, equals))] = static_cast<uint64_t>(size);
  }
  return {};
}

Result<OpenedModelFile> ModelFlags::Open(Console& console) const {
  if (path && IsOnnxFile(*path)) {
    TRY_ASSIGN(
        OpenedModelFile opened, OpenOnnx(*path, onnx, [&console](const WriteProgress& progress) {
          console.Progress(fmt::format("converting: {} of {}", FormatByteSize(progress.bytes_done),
                                       FormatByteSize(progress.bytes)));
          return StopSignal() == 0;
        }));
    console.EndProgress();
    console.Note(
        fmt::format("an ONNX model is converted first, into a temporary file of {}; "
                    "tinyai convert does it once for all",
                    FormatByteSize(opened.sources[0]->size())));
    return opened;
  }
  if (!onnx.sizes.empty()) {
    return Fail(ErrorCode::kUsage, "BAD_OPTION", "--dim is for ONNX models");
  }
  if (path) return OpenModelFile(*path);
  TRY_ASSIGN(std::unique_ptr<File> file, OpenEmbeddedModel());
  return OpenModelFile(std::move(file));
}

std::string ModelFlags::Title() const {
  return path ? std::filesystem::path(*path).filename().string() : "the model inside tinyai";
}

void SessionFlags::AddTo(Flags& flags) {
  model.AddTo(flags);
  flags.Value("--memory", "SIZE",
              "most memory for everything, such as 512M or 1.5G (powers of 1024); "
              "without it what is free",
              [this](std::string_view text) -> Status {
                TRY_ASSIGN(options.memory_bytes, ParseByteSize(text));
                return {};
              });
  flags.Integer("-c,--ctx-size", "tokens of context; 0: as trained, at most 4096", &options.context,
                0, kMostContext);
  flags.Integer("-t,--threads", "compute threads; 0: one per core", &threads,
                std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
  flags.Value("--cpu-mask", "CPUS", "CPUs for the compute threads: a list 0,2-5 or a mask 0x3C",
              [this](std::string_view text) -> Status {
                TRY_ASSIGN(cpu_mask, ParseCpuMask(text));
                return {};
              });
  flags.Integer("-ub,--ubatch-size", "tokens of the prompt per pass; 0: chosen", &options.chunk, 0,
                kMostChunk);
  flags.Integer("--batch", "of a layer graph: samples per pass; 0: as many as fit (1)",
                &options.batch, 0, static_cast<int64_t>(kMostBatch));
  flags.Value("--mode", "MODE",
              "adaptive: the fastest that fits; normal: all weights stay; memory: none that need "
              "not; streaming: the least memory at all",
              [this](std::string_view text) { return ParseMode(text, options.mode); });
  flags.Value("--speed", "X", "between the least memory (0) and the fastest that fits (1)",
              [this](std::string_view text) -> Status {
                TRY_ASSIGN(options.speed, ParseDecimal(text));
                return {};
              });
  AddCacheType(flags, "-ctk,--cache-type-k", "type of cached keys: f16, q8_0 or f32 (f16)",
               &key_type);
  AddCacheType(flags, "-ctv,--cache-type-v", "type of cached values: f16, q8_0 or f32 (f16)",
               &value_type);
  flags.Value(
      "--activations", "TYPE",
      "q8: activations rounded to 8 bits (fast); f32: nothing is rounded, the cache neither",
      [this](std::string_view text) -> Status {
        if (text != "q8" && text != "f32") return NoneOf(text, "q8, f32");
        quantize_activations = text == "q8";
        return {};
      });
  flags.Value("--io", "PATH", "how weights are read: auto, uring, direct or buffered",
              [this](std::string_view text) { return ParseIoPath(text, options.io_path); });
  flags.Value("--io-timeout", "SECONDS", "longest wait for one read (60)",
              [this](std::string_view text) { return ParseSeconds(text, options.io_timeout); });
  flags.Switch("--force",
               "start even where the budget is below the least that works; it fails when the "
               "budget is passed",
               &options.force);
}

Result<Prepared> Prepare(const SessionFlags& flags, Console& console) {
  Prepared out;
  out.options = flags.options;
  const DType usual = flags.quantize_activations ? DType::kF16 : DType::kF32;
  out.options.key_type = flags.key_type.value_or(usual);
  out.options.value_type = flags.value_type.value_or(usual);
  out.machine = ProbeMachine();
  out.options.threads = flags.threads ? ClampThreads(*flags.threads, out.machine, console)
                                      : std::max(out.machine.threads, 1u);
  TRY_ASSIGN(out.options.cpus, ChooseCpus(flags.cpu_mask, out.options.threads));
  if (out.options.cpus.size() < out.options.threads) {
    out.options.threads = static_cast<uint32_t>(out.options.cpus.size());
    if (flags.threads)
      console.Note(fmt::format("using {} threads, one per CPU allowed", out.options.threads));
  }
  TRY_ASSIGN(OpenedModelFile opened, flags.model.Open(console));
  const ModelOptions options{.quantize_activations = flags.quantize_activations,
                             .any_graph = opened.file.graph.has_value()};
  TRY_ASSIGN(out.model, Model::Open(std::move(opened), options));
  if (const Result<CacheDirectory> cache = CacheDirectory::Open()) {
    if (const auto rates = LoadRates(*cache, out.machine.name)) {
      out.machine.threads = out.options.threads;
      out.machine.rates = rates->With(out.machine.threads);
    }
  } else {
    console.Note(cache.error().message);
  }
  return out;
}

}  // namespace tinyai
