#include "format/hf_directory.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "base/checked.h"
#include "base/float16.h"
#include "fmt/format.h"
#include "format/gguf_input.h"
#include "format/gguf_sections.h"
#include "format/hf_config.h"
#include "format/hf_names.h"
#include "format/hf_tokenizer.h"
#include "format/memory_source.h"
#include "format/safetensors.h"

namespace tinyai {
namespace {

using Entry = ModelDirectory::Entry;

constexpr uint64_t kMostConfigBytes = uint64_t{16} << 20;  // chat templates are in one of them
constexpr uint64_t kMostVectorBytes = uint64_t{64} << 20;
constexpr uint64_t kVectorAlignment = 64;
constexpr std::string_view kIndex = "model.safetensors.index.json";
constexpr std::string_view kOneFile = "model.safetensors";
// Weights that can only be read by running what is in them.
constexpr std::array<std::string_view, 6> kPickles = {
    "pytorch_model.bin",   "pytorch_model.bin.index.json",
    "consolidated.00.pth", "model.pt",
    "model.pth",           "model.pkl"};

class DirectoryReader {
 public:
  DirectoryReader(const ModelDirectory& directory, std::vector<std::unique_ptr<ByteSource>>& parts)
      : directory_(directory), parts_(parts) {}

  Result<ModelFile> Read() {
    TRY_ASSIGN(const SafetensorsIndex index, FindShards());
    TRY_ASSIGN(const JsonValue config, ReadConfig("config.json", true));
    TRY_ASSIGN(config_, ReadHfConfig(config, PathOf("config.json"), metadata_));
    for (uint32_t i = 0; i < index.shards.size(); ++i) TRY(ReadShard(index, i));
    TRY(CheckVocabulary());
    TRY(AddRopeDivisors());
    TRY(AddVectors());
    TRY(ReadTokenizer());
    file_.format = "safetensors";
    if (unknown_ > 0) {
      file_.warnings.push_back(fmt::format("{} tensors of the directory are not known", unknown_));
    }
    TRY_ASSIGN(file_.metadata, MakeMetadata());
    file_.IndexTensors();
    return std::move(file_);
  }

 private:
  std::string PathOf(std::string_view name) const {
    return fmt::format("{}/{}", directory_.path, name);
  }
  Entry Look(std::string_view name) const { return directory_.look(std::string(name)); }
  tl::unexpected<Error> Bad(std::string_view key, std::string_view name, std::string message,
                            ErrorCode code = ErrorCode::kBadFile) const {
    return FailAt(code, key, std::move(message), PathOf(name));
  }

  // The files with the weights; without an index only one.
  Result<SafetensorsIndex> FindShards() {
    if (Look(kIndex) == Entry::kFile) {
      TRY_ASSIGN(const std::unique_ptr<ByteSource> source, directory_.open(std::string(kIndex)));
      return ReadSafetensorsIndex(*source);
    }
    if (Look(kOneFile) != Entry::kMissing) {
      return SafetensorsIndex{{std::string(kOneFile)}, {}};
    }
    for (const std::string_view name : kPickles) {
      if (Look(name) == Entry::kMissing) continue;
      return Bad("MODEL_FORMAT", name,
                 "the weights are only there as a PyTorch file, which holds programs and is never "
                 "opened; save the model as safetensors",
                 ErrorCode::kUnsupported);
    }
    if (Look("config.json") == Entry::kMissing) {
      return FailAt(ErrorCode::kIo, "OPEN",
                    "it is a directory and no model's: it has neither config.json nor "
                    "model.safetensors",
                    directory_.path);
    }
    return Bad("ST_SHARD_MISSING", kOneFile,
               "the directory has neither model.safetensors nor an index of such files");
  }

  Result<JsonValue> ReadConfig(std::string_view name, bool required) {
    const Entry entry = Look(name);
    if (entry == Entry::kMissing && !required) return JsonValue();
    if (entry != Entry::kFile) {
      return Bad("CONFIG", name, fmt::format("{} is missing, or leads out of the directory", name));
    }
    TRY_ASSIGN(const std::unique_ptr<ByteSource> source, directory_.open(std::string(name)));
    return ReadJsonValue(*source, kMostConfigBytes, {"CONFIG", "CONFIG"});
  }

  Status ReadShard(const SafetensorsIndex& index, uint32_t number) {
    const std::string& name = index.shards[number];
    const Entry entry = Look(name);
    if (entry == Entry::kMissing) {
      return Bad("ST_SHARD_MISSING", name, "the index names this file, but it is not there");
    }
    if (entry == Entry::kOutside) {
      return Bad("ST_SHARD_PATH", name, "this is a link that leads out of the directory");
    }
    TRY_ASSIGN(std::unique_ptr<ByteSource> source, directory_.open(name));
    TRY_ASSIGN(const SafetensorsHeader header, ReadSafetensorsHeader(*source));
    TRY(CheckShard(index, number, header));
    const auto part = static_cast<uint32_t>(parts_.size());
    for (const SafeTensor& tensor : header.tensors) TRY(AddTensor(tensor, part, *source));
    file_.parts.push_back(source->path());
    file_.part_sizes.push_back(source->size());
    parts_.push_back(std::move(source));
    return {};
  }

  // Every tensor that the index puts into this file is in it, and in no other.
  Status CheckShard(const SafetensorsIndex& index, uint32_t number,
                    const SafetensorsHeader& header) {
    uint64_t expected = 0;
    for (const auto& [name, shard] : index.weight_map) expected += shard == number;
    for (const SafeTensor& tensor : header.tensors) {
      if (!seen_.emplace(tensor.name, number).second) {
        return Bad("ST_DUP_KEY", index.shards[number],
                   fmt::format("the tensor '{}' is in two files", Shown(tensor.name)));
      }
      const auto found = std::lower_bound(
          index.weight_map.begin(), index.weight_map.end(), tensor.name,
          [](const auto& entry, const std::string& wanted) { return entry.first < wanted; });
      if (found == index.weight_map.end() || found->first != tensor.name) continue;
      if (found->second != number) {
        return Bad("ST_SHARD_MISSING", index.shards[number],
                   fmt::format("the index puts the tensor '{}' into {}", Shown(tensor.name),
                               index.shards[found->second]));
      }
      --expected;
    }
    if (expected == 0) return {};
    return Bad(
        "ST_SHARD_MISSING", index.shards[number],
        fmt::format("{} tensors that the index puts into this file are not in it", expected));
  }

  Status AddTensor(const SafeTensor& tensor, uint32_t part, const ByteSource& source) {
    const std::optional<std::string> name = NameFromHf(tensor.name, config_.layers);
    if (!name) {
      unknown_ += !IsUselessInHf(tensor.name);
      return {};
    }
    if (config_.tied && *name == "output.weight") return {};
    if (!tensor.type) {
      return FailAt(ErrorCode::kUnsupported, "ST_DTYPE",
                    fmt::format("{}: weights of type {} are not supported; F32, F16 and BF16 are",
                                Shown(tensor.name), tensor.type_name),
                    source.path(), tensor.offset);
    }
    const bool has_zero = tensor.bytes == 0;
    if (tensor.n_dims == 0 || tensor.n_dims > 2 || has_zero) {
      return FailAt(ErrorCode::kBadFile, "MODEL_SHAPE",
                    fmt::format("{}: neither a matrix nor a vector", Shown(tensor.name)),
                    source.path(), tensor.offset);
    }
    if (tensor.n_dims == 1) return AddVector(*name, tensor, source);
    file_.tensors.push_back({.name = *name,
                             .type = *tensor.type,
                             .n_dims = 2,
                             .dims = {tensor.shape[1], tensor.shape[0], 1, 1},
                             .part = part,
                             .offset = tensor.offset,
                             .bytes = tensor.bytes});
    return {};
  }

  Status AddVector(const std::string& name, const SafeTensor& tensor, const ByteSource& source) {
    const uint64_t count = tensor.shape[0];
    TRY_ASSIGN(const std::span<float> out, NewVector(name, count));
    std::vector<std::byte> bytes(tensor.bytes);
    TRY(source.ReadAt(tensor.offset, bytes));
    if (*tensor.type == DType::kF32) {
      std::memcpy(out.data(), bytes.data(), bytes.size());
      return {};
    }
    for (uint64_t i = 0; i < count; ++i) {
      uint16_t half;
      std::memcpy(&half, bytes.data() + i * sizeof(half), sizeof(half));
      out[i] = *tensor.type == DType::kF16 ? F16ToFloat(half) : Bf16ToFloat(half);
    }
    return {};
  }

  // A vector of floats in the part that is in memory; its part is set by AddVectors.
  Result<std::span<float>> NewVector(const std::string& name, uint64_t count) {
    const uint64_t offset = RoundUp(vectors_.size() * sizeof(float), kVectorAlignment);
    if (count > kMostVectorBytes / sizeof(float) ||
        offset + count * sizeof(float) > kMostVectorBytes) {
      return Fail(
          ErrorCode::kBadFile, "MODEL_SHAPE",
          fmt::format("{}: all vectors together have more than {} bytes", name, kMostVectorBytes));
    }
    vectors_.resize(offset / sizeof(float) + count);
    vector_tensors_.push_back({.name = name,
                               .type = DType::kF32,
                               .n_dims = 1,
                               .dims = {count, 1, 1, 1},
                               .part = 0,
                               .offset = offset,
                               .bytes = count * sizeof(float)});
    return std::span(vectors_).subspan(offset / sizeof(float));
  }

  Status CheckVocabulary() {
    for (const TensorInfo& tensor : file_.tensors) {
      if (tensor.name != "token_embd.weight" || tensor.dims[1] == config_.vocabulary) continue;
      return Bad("MODEL_VOCAB", "config.json",
                 fmt::format("vocab_size is {}, the embedding has {} rows", config_.vocabulary,
                             tensor.dims[1]));
    }
    const auto is_embedding = [](const TensorInfo& tensor) {
      return tensor.name == "token_embd.weight";
    };
    if (std::any_of(file_.tensors.begin(), file_.tensors.end(), is_embedding)) return {};
    return Bad("MODEL_TENSOR_MISSING", kOneFile, "tensor model.embed_tokens.weight is missing");
  }

  Status AddRopeDivisors() {
    if (config_.rope_divisors.empty()) return {};
    TRY_ASSIGN(const std::span<float> out,
               NewVector("rope_freqs.weight", config_.rope_divisors.size()));
    std::copy(config_.rope_divisors.begin(), config_.rope_divisors.end(), out.begin());
    return {};
  }

  Status AddVectors() {
    if (vector_tensors_.empty()) return {};
    const auto part = static_cast<uint32_t>(parts_.size());
    for (TensorInfo& tensor : vector_tensors_) {
      tensor.part = part;
      file_.tensors.push_back(std::move(tensor));
    }
    TRY_ASSIGN(std::unique_ptr<ByteSource> source,
               directory_.in_memory(fmt::format("{} (vectors)", directory_.path),
                                    std::as_bytes(std::span(vectors_))));
    file_.parts.push_back(source->path());
    file_.part_sizes.push_back(source->size());
    parts_.push_back(std::move(source));
    return {};
  }

  Status ReadTokenizer() {
    constexpr std::string_view kName = "tokenizer.json";
    if (Look(kName) != Entry::kFile) {
      const bool has_model = Look("tokenizer.model") != Entry::kMissing;
      return Bad(
          has_model ? std::string_view("TOKENIZER_UNSUPPORTED") : std::string_view("TOKENIZER"),
          kName,
          has_model ? "there is only a tokenizer.model; save the tokenizer as tokenizer.json"
                    : "the tokenizer is missing",
          has_model ? ErrorCode::kUnsupported : ErrorCode::kBadFile);
    }
    TRY_ASSIGN(const JsonValue settings, ReadConfig("tokenizer_config.json", false));
    TRY_ASSIGN(const std::unique_ptr<ByteSource> source, directory_.open(std::string(kName)));
    return ReadHfTokenizer(*source, settings, config_, metadata_);
  }

  Result<Metadata> MakeMetadata() {
    const MemorySource bytes(directory_.path, metadata_.key_bytes());
    GgufInput in(bytes);
    GgufPart part;
    TRY(ReadGgufKeys(in, metadata_.key_count(), part));
    return Metadata(std::move(part.blocks), std::move(part.entries));
  }

  const ModelDirectory& directory_;
  std::vector<std::unique_ptr<ByteSource>>& parts_;
  ModelFile file_;
  MetadataWriter metadata_;
  HfConfig config_;
  std::map<std::string, uint32_t> seen_;  // tensors, by name
  std::vector<float> vectors_;
  std::vector<TensorInfo> vector_tensors_;
  uint64_t unknown_ = 0;
};

}  // namespace

Result<ModelFile> ReadHfDirectory(const ModelDirectory& directory,
                                  std::vector<std::unique_ptr<ByteSource>>& parts_out) {
  parts_out.clear();
  return DirectoryReader(directory, parts_out).Read();
}

}  // namespace tinyai
