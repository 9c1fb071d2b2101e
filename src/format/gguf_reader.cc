#include <utility>

#include "base/escape.h"
#include "fmt/format.h"
#include "format/gguf_part.h"
#include "format/limits.h"
#include "format/model_file.h"

namespace tinyai {
namespace {

tl::unexpected<Error> SplitError(const std::string& path, std::string message) {
  return FailAt(ErrorCode::kBadFile, "MODEL_SPLIT", std::move(message), path);
}

// What the metadata of one part says about the split it belongs to.
struct SplitKeys {
  uint64_t no = 0;
  uint64_t count = 1;
  std::optional<uint64_t> tensors;  // of all parts
};

Result<SplitKeys> ReadSplitKeys(const Metadata& metadata, const std::string& path) {
  SplitKeys keys;
  const auto read = [&](std::string_view key) -> Result<std::optional<uint64_t>> {
    Result<std::optional<uint64_t>> value = metadata.OptionalUint(key);
    if (!value) return SplitError(path, value.error().message);
    return value;
  };
  TRY_ASSIGN(const std::optional<uint64_t> no, read("split.no"));
  TRY_ASSIGN(const std::optional<uint64_t> count, read("split.count"));
  TRY_ASSIGN(keys.tensors, read("split.tensors.count"));
  keys.no = no.value_or(0);
  keys.count = count.value_or(1);
  return keys;
}

std::string PartSuffix(uint64_t number, uint64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number, count);
}

// The path of the first part without its suffix, which alone decides what other files are opened.
Result<std::string> SplitPrefix(const std::string& path, const SplitKeys& keys) {
  if (keys.count > kMaxSplitParts) {
    return SplitError(path, fmt::format("the model is split into {} parts, the most is {}",
                                        keys.count, kMaxSplitParts));
  }
  const std::string own = PartSuffix(keys.no + 1, keys.count);
  if (keys.no >= keys.count || !path.ends_with(own)) {
    return SplitError(path, fmt::format("this is part {} of {} of a split model; its name must "
                                        "end in '{}'",
                                        keys.no + 1, keys.count, own));
  }
  const std::string prefix = path.substr(0, path.size() - own.size());
  if (keys.no != 0) {
    return SplitError(path, fmt::format("this is part {} of {} of a split model; open the first "
                                        "part, {}",
                                        keys.no + 1, keys.count,
                                        EscapeControl(prefix + PartSuffix(1, keys.count))));
  }
  return prefix;
}

// Whether the part's identity, where it tells one, is that of the first part.
Status CheckSameModel(const Metadata& first, const Metadata& part, const std::string& path) {
  for (const std::string_view key : {"general.architecture", "general.name", "general.uuid"}) {
    const Result<std::optional<std::string_view>> theirs = part.OptionalString(key);
    if (theirs && !theirs->has_value()) continue;
    const Result<std::optional<std::string_view>> ours = first.OptionalString(key);
    if (!theirs || !ours || *theirs != *ours) {
      return SplitError(path,
                        fmt::format("{} is not that of the first part: parts of two models?", key));
    }
  }
  return {};
}

enum class Keep { kOnlyWhole, kAlsoPartial };

// Reads all parts of a model into one ModelFile, which keeps what was read before an error if it
// shall be kept.
class ModelReader {
 public:
  ModelReader(const OpenSource& open, std::vector<std::unique_ptr<ByteSource>>& parts,
              ModelFile& file, Keep keep)
      : open_(open), parts_(parts), file_(file), keep_(keep) {}

  Status Read(std::unique_ptr<ByteSource> first) {
    parts_.clear();
    Status status = ReadParts(std::move(first));
    if (status || keep_ == Keep::kAlsoPartial) file_.IndexTensors();
    return status;
  }

 private:
  Status ReadParts(std::unique_ptr<ByteSource> first) {
    const std::string path = first->path();
    TRY_ASSIGN(file_.metadata, AddPart(std::move(first)));
    TRY_ASSIGN(const SplitKeys keys, ReadSplitKeys(file_.metadata, path));
    if (keys.count > 1) {
      TRY_ASSIGN(const std::string prefix, SplitPrefix(path, keys));
      for (uint64_t i = 1; i < keys.count; ++i) {
        TRY(ReadSibling(i, keys, prefix + PartSuffix(i + 1, keys.count)));
      }
    }
    if (keys.tensors && *keys.tensors != file_.tensors.size()) {
      return SplitError(path, fmt::format("the parts hold {} tensors, split.tensors.count is {}",
                                          file_.tensors.size(), *keys.tensors));
    }
    return CheckTensorsUnique(path);
  }

  Status ReadSibling(uint64_t index, const SplitKeys& first, const std::string& path) {
    Result<std::unique_ptr<ByteSource>> source = open_(path);
    if (!source) {
      return SplitError(path, fmt::format("part {} of {} cannot be opened: {}", index + 1,
                                          first.count, source.error().message));
    }
    TRY_ASSIGN(const Metadata metadata, AddPart(std::move(*source)));
    TRY_ASSIGN(const SplitKeys keys, ReadSplitKeys(metadata, path));
    if (keys.no != index || keys.count != first.count || keys.tensors != first.tensors) {
      return SplitError(path, fmt::format("part {} of {} says that it is part {} of {}: parts of "
                                          "two models?",
                                          index + 1, first.count, keys.no + 1, keys.count));
    }
    return CheckSameModel(file_.metadata, metadata, path);
  }

  // Adds what one file holds; if it is damaged, only what shall be kept, which for the first part
  // includes its metadata.
  Result<Metadata> AddPart(std::unique_ptr<ByteSource> source) {
    GgufPart part;
    Status status = ReadGgufPart(*source, part);
    if (!status && keep_ == Keep::kOnlyWhole) {
      return tl::unexpected<Error>(std::move(status).error());
    }
    const auto index = static_cast<uint32_t>(file_.parts.size());
    if (index == 0) file_.format = fmt::format("GGUF v{}", part.version);
    for (TensorInfo& tensor : part.tensors) {
      tensor.part = index;
      if (index > 0) file_.tensors.push_back(std::move(tensor));
    }
    if (index == 0) file_.tensors = std::move(part.tensors);
    for (const std::string& warning : part.warnings) {
      file_.warnings.push_back(index == 0 ? warning
                                          : fmt::format("part {}: {}", index + 1, warning));
    }
    file_.parts.push_back(source->path());
    file_.part_sizes.push_back(source->size());
    parts_.push_back(std::move(source));
    Metadata metadata(std::move(part.blocks), std::move(part.entries));
    if (!status) {
      if (index == 0) file_.metadata = std::move(metadata);
      return tl::unexpected<Error>(std::move(status).error());
    }
    return metadata;
  }

  Status CheckTensorsUnique(const std::string& path) {
    if (file_.parts.size() == 1) return {};  // checked with the part
    file_.IndexTensors();
    for (size_t i = 0; i < file_.tensors.size(); ++i) {
      if (file_.FindTensor(file_.tensors[i].name) == &file_.tensors[i]) continue;
      return FailAt(ErrorCode::kBadFile, "GGUF_DUP_TENSOR",
                    fmt::format("the tensor '{}' is in two parts", file_.tensors[i].name), path);
    }
    return {};
  }

  const OpenSource& open_;
  std::vector<std::unique_ptr<ByteSource>>& parts_;
  ModelFile& file_;
  const Keep keep_;
};

}  // namespace

PartialModelFile ReadGgufPartial(std::unique_ptr<ByteSource> first, const OpenSource& open,
                                 std::vector<std::unique_ptr<ByteSource>>& parts_out) {
  PartialModelFile partial;
  ModelReader reader(open, parts_out, partial.file, Keep::kAlsoPartial);
  if (Status status = reader.Read(std::move(first)); !status) {
    partial.error = std::move(status).error();
  }
  return partial;
}

Result<ModelFile> ReadGguf(std::unique_ptr<ByteSource> first, const OpenSource& open,
                           std::vector<std::unique_ptr<ByteSource>>& parts_out) {
  ModelFile file;
  TRY(ModelReader(open, parts_out, file, Keep::kOnlyWhole).Read(std::move(first)));
  return file;
}

}  // namespace tinyai
