#pragma once

// A small Hugging Face folder in memory, for the tests of this folder and the fuzz targets.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "format/hf_directory.h"
#include "format/memory_source.h"

namespace tinyai {

// Bytes that belong to the source.
class OwnedSource : public ByteSource {
 public:
  OwnedSource(std::string path, std::string bytes)
      : bytes_(std::move(bytes)), source_(std::move(path), std::as_bytes(std::span(bytes_))) {}
  const std::string& path() const override { return source_.path(); }
  uint64_t size() const override { return source_.size(); }
  Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
    return source_.ReadAt(offset, out);
  }

 private:
  std::string bytes_;
  MemorySource source_;
};

using HfFiles = std::map<std::string, std::string>;

inline ModelDirectory InMemoryDirectory(HfFiles files) {
  const auto shared = std::make_shared<HfFiles>(std::move(files));
  return {.path = "folder",
          .look =
              [shared](const std::string& name) {
                return shared->count(name) != 0 ? ModelDirectory::Entry::kFile
                                                : ModelDirectory::Entry::kMissing;
              },
          .open = [shared](const std::string& name) -> Result<std::unique_ptr<ByteSource>> {
            return std::make_unique<OwnedSource>("folder/" + name, shared->at(name));
          },
          .in_memory = [](std::string label,
                          std::span<const std::byte> bytes) -> Result<std::unique_ptr<ByteSource>> {
            return std::make_unique<OwnedSource>(
                std::move(label),
                std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
          }};
}

inline std::string SafetensorsBytes(const std::string& header, uint64_t data_bytes) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header +
         std::string(data_bytes, '\x3C');
}

inline const std::string kSmallConfig =
    R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 4, "num_hidden_layers": 1,)"
    R"( "intermediate_size": 8, "num_attention_heads": 2, "num_key_value_heads": 1,)"
    R"( "max_position_embeddings": 64, "vocab_size": 6, "bos_token_id": 1,)"
    R"( "eos_token_id": [2, 3], "tie_word_embeddings": true})";
inline const std::string kSmallTokenizer =
    R"({"added_tokens": [{"id": 0, "content": "<unk>", "special": true},)"
    R"( {"id": 1, "content": "<s>", "special": true}, {"id": 2, "content": "</s>", "special": true}],)"
    R"( "normalizer": {"type": "Prepend"}, "pre_tokenizer": null,)"
    R"( "model": {"type": "BPE", "byte_fallback": true, "unk_token": "<unk>",)"
    R"( "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "a": 3, "aa": 4}, "merges": ["a a"]}})";

// A folder that is right: an embedding in BF16 and a norm in F16.
inline HfFiles SmallHfFiles() {
  return {{"config.json", kSmallConfig},
          {"tokenizer.json", kSmallTokenizer},
          {"tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}})"},
          {"model.safetensors",
           SafetensorsBytes(R"({"model.embed_tokens.weight": {"dtype": "BF16", "shape": [6, 4],)"
                            R"( "data_offsets": [0, 48]}, "model.norm.weight": {"dtype": "F16",)"
                            R"( "shape": [4], "data_offsets": [48, 56]}, "other": {"dtype": "U8",)"
                            R"( "shape": [2], "data_offsets": [56, 58]}})",
                            58)}};
}

inline Result<ModelFile> ReadHfFiles(const HfFiles& files) {
  std::vector<std::unique_ptr<ByteSource>> parts;
  return ReadHfDirectory(InMemoryDirectory(files), parts);
}

}  // namespace tinyai
