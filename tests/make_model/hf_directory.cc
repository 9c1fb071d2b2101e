#include "make_model/hf_directory.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "format/memory_source.h"
#include "format/model_file.h"

namespace tinyai::testing_models {
namespace {

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

class Maker {
 public:
  Maker(std::vector<std::byte> bytes, const std::string& folder, uint32_t shards)
      : bytes_(std::move(bytes)), folder_(folder), shards_(shards) {}

  Status Make() {
    const OpenSource none = [](const std::string&) -> Result<std::unique_ptr<ByteSource>> {
      return Fail(ErrorCode::kUsage, "USAGE", "split models are not taken");
    };
    std::vector<std::unique_ptr<ByteSource>> parts;
    TRY_ASSIGN(file_, ReadGguf(std::make_unique<MemorySource>("gguf", bytes_), none, parts));
    architecture_ = file_.metadata.OptionalString("general.architecture").value().value();
    TRY(Write("config.json", Config()));
    TRY(Write("tokenizer.json", TokenizerText()));
    TRY(Write("tokenizer_config.json", TokenizerConfig()));
    return WriteWeights();
  }

 private:
  uint64_t Number(std::string_view name) const {
    return file_.metadata.OptionalUint(fmt::format("{}.{}", architecture_, name)).value().value();
  }
  double Decimal(std::string_view name) const {
    return file_.metadata.OptionalFloat(fmt::format("{}.{}", architecture_, name)).value().value();
  }
  uint64_t HeadDim() const {
    const std::string key = architecture_ + ".attention.key_length";
    const uint64_t usual = Number("embedding_length") / Number("attention.head_count");
    return file_.metadata.OptionalUint(key).value().value_or(usual);
  }
  std::vector<std::string> Strings(std::string_view key) const {
    std::vector<std::string> out;
    const Status visited =
        file_.metadata.VisitStrings(key, [&](uint64_t, std::string_view text) -> Status {
          out.emplace_back(text);
          return {};
        });
    return visited ? out : std::vector<std::string>();
  }

  std::string Config() const {
    const std::map<std::string, std::string> classes = {{"llama", "LlamaForCausalLM"},
                                                        {"qwen2", "Qwen2ForCausalLM"},
                                                        {"qwen3", "Qwen3ForCausalLM"}};
    return fmt::format(
        R"({{"architectures": [{}], "hidden_size": {}, "num_hidden_layers": {},)"
        R"( "intermediate_size": {}, "num_attention_heads": {}, "num_key_value_heads": {},)"
        R"( "head_dim": {}, "max_position_embeddings": {}, "vocab_size": {}, "rms_norm_eps": {},)"
        R"( "rope_theta": {}, "hidden_act": "silu", "tie_word_embeddings": {},)"
        R"( "sliding_window": null}})",
        Quoted(classes.at(architecture_)), Number("embedding_length"), Number("block_count"),
        Number("feed_forward_length"), Number("attention.head_count"),
        Number("attention.head_count_kv"), HeadDim(), Number("context_length"),
        Number("vocab_size"), Decimal("attention.layer_norm_rms_epsilon"),
        Decimal("rope.freq_base"), file_.FindTensor("output.weight") == nullptr);
  }

  std::string TokenizerConfig() const {
    const std::vector<std::string> tokens = Strings("tokenizer.ggml.tokens");
    const auto token = [&](std::string_view key) {
      return Quoted(tokens[file_.metadata.OptionalUint(key).value().value()]);
    };
    return fmt::format(
        R"({{"bos_token": {}, "eos_token": {{"content": {}}}, "add_bos_token": {}}})",
        token("tokenizer.ggml.bos_token_id"), token("tokenizer.ggml.eos_token_id"),
        file_.metadata.OptionalBool("tokenizer.ggml.add_bos_token").value().value());
  }

  // Every way to put a piece together from two others, the best pieces first.
  std::vector<std::string> PieceMerges(const std::vector<std::string>& tokens,
                                       const std::vector<int64_t>& types) const {
    const auto scores = file_.metadata.OptionalFloats("tokenizer.ggml.scores").value().value();
    std::vector<size_t> order;
    std::set<std::string_view> known;
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (types[i] != 1) continue;
      order.push_back(i);
      known.insert(tokens[i]);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return scores[a] > scores[b]; });
    std::vector<std::string> out;
    for (const size_t i : order) {
      const std::string_view token = tokens[i];
      for (size_t cut = 1; cut < token.size(); ++cut) {
        if (known.count(token.substr(0, cut)) == 0 || known.count(token.substr(cut)) == 0) continue;
        out.push_back(fmt::format("{} {}", token.substr(0, cut), token.substr(cut)));
      }
    }
    return out;
  }

  std::string TokenizerText() const {
    const std::vector<std::string> tokens = Strings("tokenizer.ggml.tokens");
    const auto types = file_.metadata.OptionalInts("tokenizer.ggml.token_type").value().value();
    const bool byte_level =
        file_.metadata.OptionalString("tokenizer.ggml.model").value().value() == "gpt2";
    std::vector<std::string> vocabulary, added, merges;
    for (size_t i = 0; i < tokens.size(); ++i) {
      vocabulary.push_back(fmt::format("{}: {}", Quoted(tokens[i]), i));
      if (types[i] != 3 && types[i] != 4 && types[i] != 2) continue;
      added.push_back(fmt::format(R"({{"id": {}, "content": {}, "special": {}}})", i,
                                  Quoted(tokens[i]), types[i] != 4));
    }
    for (const std::string& merge :
         byte_level ? Strings("tokenizer.ggml.merges") : PieceMerges(tokens, types)) {
      merges.push_back(Quoted(merge));
    }
    const std::string_view pipeline =
        byte_level ? R"("normalizer": null, "pre_tokenizer": {"type": "ByteLevel",)"
                     R"( "add_prefix_space": false, "use_regex": true})"
                   : R"("normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend",)"
                     R"( "prepend": "▁"}, {"type": "Replace"}]}, "pre_tokenizer": null)";
    return fmt::format(
        R"({{"added_tokens": [{}], {}, "model": {{"type": "BPE", "byte_fallback": {},)"
        R"( {}"vocab": {{{}}}, "merges": [{}]}}}})",
        fmt::join(added, ", "), pipeline, !byte_level,
        byte_level ? "" : R"("unk_token": "<unk>", )", fmt::join(vocabulary, ", "),
        fmt::join(merges, ", "));
  }

  // As other programs call it; empty for what they do not store.
  static std::string HfName(std::string_view name) {
    static const std::map<std::string, std::string, std::less<>> kNames = {
        {"token_embd", "model.embed_tokens"},
        {"output_norm", "model.norm"},
        {"output", "lm_head"},
        {"attn_norm", "input_layernorm"},
        {"attn_q", "self_attn.q_proj"},
        {"attn_k", "self_attn.k_proj"},
        {"attn_v", "self_attn.v_proj"},
        {"attn_output", "self_attn.o_proj"},
        {"attn_q_norm", "self_attn.q_norm"},
        {"attn_k_norm", "self_attn.k_norm"},
        {"ffn_norm", "post_attention_layernorm"},
        {"ffn_gate", "mlp.gate_proj"},
        {"ffn_up", "mlp.up_proj"},
        {"ffn_down", "mlp.down_proj"}};
    std::string layer;
    if (name.starts_with("blk.")) {
      const size_t dot = name.find('.', 4);
      layer = fmt::format("model.layers.{}.", name.substr(4, dot - 4));
      name.remove_prefix(dot + 1);
    }
    const size_t dot = name.rfind('.');
    const auto found = kNames.find(name.substr(0, dot));
    if (found == kNames.end()) return {};
    return layer + found->second + std::string(name.substr(dot));
  }

  // In a head, row 2 i + j goes to j * dim / 2 + i.
  std::vector<std::byte> Weights(const TensorInfo& tensor) const {
    const auto* const from = bytes_.data() + tensor.offset;
    std::vector<std::byte> out(from, from + tensor.bytes);
    const bool turns = tensor.name.find("attn_q.") != std::string::npos ||
                       tensor.name.find("attn_k.") != std::string::npos;
    if (architecture_ != "llama" || !turns) return out;
    const uint64_t dim = HeadDim(), rows = tensor.dims[1], row = tensor.bytes / rows;
    for (uint64_t r = 0; r < rows; ++r) {
      const uint64_t head = r / dim, i = r % dim / 2, j = r % 2;
      std::memcpy(out.data() + (head * dim + j * dim / 2 + i) * row, from + r * row, row);
    }
    return out;
  }

  Status WriteWeights() {
    std::string map;
    for (uint32_t shard = 0; shard < shards_; ++shard) {
      const std::string name =
          shards_ == 1 ? "model.safetensors"
                       : fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards_);
      std::string header, data;
      for (size_t i = shard; i < file_.tensors.size(); i += shards_) {
        const TensorInfo& tensor = file_.tensors[i];
        const std::string hf = HfName(tensor.name);
        if (hf.empty()) continue;
        const std::vector<std::byte> weights = Weights(tensor);
        const std::string shape = tensor.n_dims == 1
                                      ? fmt::format("{}", tensor.dims[0])
                                      : fmt::format("{}, {}", tensor.dims[1], tensor.dims[0]);
        header +=
            fmt::format(R"({}"{}": {{"dtype": "{}", "shape": [{}], "data_offsets": [{}, {}]}})",
                        header.empty() ? "" : ", ", hf, Name(tensor.type), shape, data.size(),
                        data.size() + weights.size());
        data.append(reinterpret_cast<const char*>(weights.data()), weights.size());
        map += fmt::format(R"({}"{}": "{}")", map.empty() ? "" : ", ", hf, name);
      }
      header = fmt::format(R"({{"__metadata__": {{"format": "pt"}}, {}}})", header);
      const uint64_t length = header.size();
      const std::string_view start(reinterpret_cast<const char*>(&length), sizeof(length));
      TRY(Write(name, std::string(start) + header + data));
    }
    if (shards_ == 1) return {};
    return Write("model.safetensors.index.json",
                 fmt::format(R"({{"metadata": {{}}, "weight_map": {{{}}}}})", map));
  }

  Status Write(const std::string& name, const std::string& text) const {
    const std::string path = folder_ + "/" + name;
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    if (!file) return FailAt(ErrorCode::kIo, "IO_WRITE", "the file cannot be written", path);
    return {};
  }

  std::vector<std::byte> bytes_;
  const std::string& folder_;
  const uint32_t shards_;
  ModelFile file_;
  std::string architecture_;
};

}  // namespace

Status MakeHfDirectory(const std::string& gguf, const std::string& folder, uint32_t shards) {
  std::ifstream file(gguf, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto bytes = std::as_bytes(std::span(text));
  return Maker({bytes.begin(), bytes.end()}, folder, shards).Make();
}

}  // namespace tinyai::testing_models
