#include <algorithm>
#include <cstring>
#include <map>

#include "base/byte_reader.h"
#include "base/escape.h"
#include "base/units.h"
#include "command.h"
#include "fmt/format.h"
#include "format/model_file.h"
#include "json.h"
#include "os/folder.h"
#include "session_flags.h"
#include "show_layers.h"

namespace tinyai {
namespace {

constexpr uint64_t kItemsShown = 6;
constexpr size_t kTextShown = 200;  // bytes of a string in the table

template <typename T>
Json Number(ByteReader& in) {
  const Result<T> value = in.Number<T>("value");
  return value ? Json(*value) : Json();
}

// The next item of a value. The reader has checked the lengths.
Json NextItem(MetaType type, ByteReader& in) {
  switch (type) {
    case MetaType::kU8:
      return Number<uint8_t>(in);
    case MetaType::kI8:
      return Number<int8_t>(in);
    case MetaType::kU16:
      return Number<uint16_t>(in);
    case MetaType::kI16:
      return Number<int16_t>(in);
    case MetaType::kU32:
      return Number<uint32_t>(in);
    case MetaType::kI32:
      return Number<int32_t>(in);
    case MetaType::kU64:
      return Number<uint64_t>(in);
    case MetaType::kI64:
      return Number<int64_t>(in);
    case MetaType::kF64:
      return Number<double>(in);
    case MetaType::kF32: {
      const Result<float> value = in.Number<float>("value");
      return value ? ToJson(*value) : Json();
    }
    case MetaType::kBool: {
      const Result<uint8_t> value = in.Number<uint8_t>("value");
      return value ? Json(*value != 0) : Json();
    }
    case MetaType::kString: {
      const Result<uint64_t> size = in.Number<uint64_t>("length");
      if (!size) return {};
      const auto bytes = in.Bytes("string", *size);
      if (!bytes) return {};
      return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    }
    case MetaType::kArray:
      break;
  }
  return {};
}

Json FirstItems(const MetaValue& value, uint64_t most) {
  ByteReader in(value.bytes);
  Json items = Json::array();
  for (uint64_t i = 0; i < std::min(value.count, most) && in.left() > 0; ++i) {
    items.push_back(NextItem(value.type, in));
  }
  return items;
}

Json ToJson(const Metadata::Entry& entry) {
  const MetaValue& value = entry.value;
  Json items = FirstItems(value, value.is_array ? kItemsShown : 1);
  Json out;
  out["key"] = entry.key;
  out["type"] = Name(value.type);
  if (value.is_array) out["count"] = value.count;
  if (value.is_array) {
    out["first"] = std::move(items);
  } else {
    out["value"] = items.empty() ? Json() : std::move(items[0]);
  }
  return out;
}

// Safe to print, on one line.
std::string Printable(const Json& item) {
  if (!item.is_string()) return item.dump();
  const std::string text = item.get<std::string>();
  std::string shown = EscapeControl(std::string_view(text).substr(0, kTextShown));
  if (text.size() > kTextShown) shown += fmt::format("... ({} bytes)", text.size());
  return shown;
}

std::string Line(const Metadata::Entry& entry) {
  const MetaValue& value = entry.value;
  const Json items = FirstItems(value, value.is_array ? kItemsShown : 1);
  std::string shown;
  for (const Json& item : items) shown += (shown.empty() ? "" : ", ") + Printable(item);
  std::string type(Name(value.type));
  if (value.is_array) {
    if (value.count > items.size()) shown += ", ...";
    shown = "[" + shown + "]";
    type += fmt::format("[{}]", value.count);
  }
  return fmt::format("  {:40} {:14} {}\n", EscapeControl(entry.key), type, shown);
}

std::string Shape(const TensorInfo& tensor) {
  const std::span dims(tensor.dims.data(), std::min<size_t>(tensor.n_dims, tensor.dims.size()));
  return fmt::format("{}", fmt::join(dims, " x "));
}

struct TypeTotal {
  uint64_t tensors = 0, bytes = 0;
};

std::map<std::string_view, TypeTotal> TotalsByType(const ModelFile& file) {
  std::map<std::string_view, TypeTotal> totals;
  for (const TensorInfo& tensor : file.tensors) {
    TypeTotal& total = totals[Name(tensor.type)];
    ++total.tensors;
    total.bytes += tensor.bytes;
  }
  return totals;
}

Json ToJson(const PartialModelFile& partial) {
  const ModelFile& file = partial.file;
  Json out;
  out["format"] = file.format;
  Json& parts = out["parts"] = Json::array();
  for (size_t i = 0; i < file.parts.size(); ++i) {
    parts.push_back({{"path", file.parts[i]}, {"bytes", file.part_sizes[i]}});
  }
  Json& metadata = out["metadata"] = Json::array();
  for (const Metadata::Entry& entry : file.metadata.entries()) metadata.push_back(ToJson(entry));
  Json& tensors = out["tensors"] = Json::array();
  for (const TensorInfo& tensor : file.tensors) {
    tensors.push_back(
        {{"name", tensor.name},
         {"type", Name(tensor.type)},
         {"dims", std::vector<uint64_t>(tensor.dims.begin(), tensor.dims.begin() + tensor.n_dims)},
         {"part", tensor.part},
         {"offset", tensor.offset},
         {"bytes", tensor.bytes}});
  }
  if (file.graph) {
    out["inputs"] = InputsToJson(file);
    out["layers"] = LayersToJson(file);
  }
  Json& types = out["types"] = Json::array();
  for (const auto& [type, total] : TotalsByType(file)) {
    types.push_back({{"type", type}, {"tensors", total.tensors}, {"bytes", total.bytes}});
  }
  out["warnings"] = file.warnings;
  if (partial.error) out["error"] = ToJson(*partial.error);
  return out;
}

// `tinyai show`: what a model file holds.
class ShowCommand : public Command {
 public:
  void AddFlags(Flags& flags) override { model_.AddTo(flags); }

  Result<int> Run(Console& console) override {
    TRY_ASSIGN(const PartialModelFile partial, Read(console));
    if (console.json) {
      TRY(console.Answer(Dump(ToJson(partial))));
    } else {
      TRY(Print(partial.file, console));
    }
    if (!partial.error) return 0;
    console.Fail(*partial.error);
    return static_cast<int>(partial.error->code);
  }

 private:
  Result<PartialModelFile> Read(Console& console) const;
  static Status Print(const ModelFile& file, Console& console);

  ModelFlags model_;
};

// Of a file that is damaged, what comes before the damage.
Result<PartialModelFile> ShowCommand::Read(Console& console) const {
  if (!model_.path || IsFolder(*model_.path) || IsOnnxFile(*model_.path)) {
    TRY_ASSIGN(OpenedModelFile opened, model_.Open(console));
    return PartialModelFile{std::move(opened.file), {}};
  }
  const OpenSource open = [](const std::string& path) -> Result<std::unique_ptr<ByteSource>> {
    TRY_ASSIGN(std::unique_ptr<File> part, File::Open(path));
    return part;
  };
  TRY_ASSIGN(std::unique_ptr<ByteSource> file, open(*model_.path));
  std::vector<std::unique_ptr<ByteSource>> sources;
  return ReadModelFilePartial(std::move(file), open, sources);
}

Status ShowCommand::Print(const ModelFile& file, Console& console) {
  for (size_t i = 0; i < file.parts.size(); ++i) {
    TRY(console.Answer(fmt::format("{}: {}, {}\n", EscapeControl(file.parts[i]),
                                   file.format.empty() ? "not read" : file.format,
                                   FormatByteSize(file.part_sizes[i]))));
  }
  if (!file.metadata.entries().empty()) TRY(console.Answer("\nMetadata:\n"));
  for (const Metadata::Entry& entry : file.metadata.entries()) TRY(console.Answer(Line(entry)));
  TRY(console.Answer(DescribeLayers(file)));
  if (file.tensors.empty()) return {};
  TRY(console.Answer(fmt::format("\nTensors:\n  {:34} {:6} {:>20} {:>10} {:>14}\n", "name", "type",
                                 "shape", "size", "at byte")));
  for (const TensorInfo& tensor : file.tensors) {
    TRY(console.Answer(
        fmt::format("  {:34} {:6} {:>20} {:>10} {:>14}{}\n", EscapeControl(tensor.name),
                    Name(tensor.type), Shape(tensor), FormatByteSize(tensor.bytes), tensor.offset,
                    file.parts.size() > 1 ? fmt::format(" of part {}", tensor.part + 1) : "")));
  }
  TRY(console.Answer("\nIn all:\n"));
  for (const auto& [type, total] : TotalsByType(file)) {
    TRY(console.Answer(fmt::format("  {:6} {:>6} {} {:>10}\n", type, total.tensors,
                                   total.tensors == 1 ? "tensor " : "tensors",
                                   FormatByteSize(total.bytes))));
  }
  for (const std::string& warning : file.warnings) console.Note(warning);
  return {};
}

}  // namespace

std::unique_ptr<Command> MakeShowCommand() { return std::make_unique<ShowCommand>(); }

}  // namespace tinyai
