#include "make_model/make_model.h"

#include <cmath>
#include <fstream>
#include <numbers>
#include <vector>

#include "fmt/format.h"
#include "format/gguf_writer.h"
#include "make_model/random_weights.h"
#include "make_model/vocabulary.h"

namespace tinyai::testing_models {
namespace {

using Bytes = std::vector<std::byte>;

constexpr uint64_t kSliceElements = uint64_t{1} << 20;  // a multiple of every block

enum class Fill { kNormal, kNormWeight, kRopeFactors };

struct Tensor {
  std::string name;
  DType type;
  std::vector<uint64_t> dims;
  Fill fill;
  double std;
};

class Maker {
 public:
  explicit Maker(const ModelSpec& spec) : spec_(spec) {
    if (spec_.head_dim == 0) spec_.head_dim = spec_.n_embd / spec_.n_head;
  }

  Status Write(const std::string& path) {
    AddKeys();
    AddTensors();
    for (const Tensor& tensor : tensors_) {
      if (tensor.dims[0] % Info(tensor.type).block_elements != 0) {
        return Fail(ErrorCode::kUsage, "USAGE",
                    fmt::format("{}: rows of {} elements cannot be {}", tensor.name, tensor.dims[0],
                                Name(tensor.type)));
      }
      writer_.AddTensor(tensor.name, tensor.type, tensor.dims);
    }
    return WriteFile(path);
  }

 private:
  std::string Key(std::string_view name) const {
    return fmt::format("{}.{}", spec_.architecture, name);
  }
  void AddKeys();
  void AddRopeKeys();
  void AddTensors();
  void AddLayer(uint32_t layer);
  void Matrix(const std::string& name, DType type, uint64_t in, uint64_t out, double std);
  void Vector(const std::string& name, uint64_t size, Fill fill, double std = 0) {
    tensors_.push_back({name, DType::kF32, {size}, fill, std});
  }
  Status WriteFile(const std::string& path);
  void WriteTensor(const Tensor& tensor, std::ofstream& file);
  Bytes RopeFactors() const;

  ModelSpec spec_;
  GgufWriter writer_;
  std::vector<Tensor> tensors_;
};

void Maker::AddKeys() {
  writer_.AddString("general.architecture", spec_.architecture);
  writer_.AddString("general.name",
                    fmt::format("random {} {}", spec_.architecture, Name(spec_.type)));
  writer_.AddU32(Key("context_length"), spec_.n_context);
  writer_.AddU32(Key("embedding_length"), spec_.n_embd);
  writer_.AddU32(Key("block_count"), spec_.n_layer);
  writer_.AddU32(Key("feed_forward_length"), spec_.n_ff);
  writer_.AddU32(Key("attention.head_count"), spec_.n_head);
  writer_.AddU32(Key("attention.head_count_kv"), spec_.n_head_kv);
  writer_.AddF32(Key("attention.layer_norm_rms_epsilon"), static_cast<float>(spec_.rms_epsilon));
  writer_.AddU32(Key("vocab_size"), spec_.n_vocab);
  if (spec_.head_dim * spec_.n_head != spec_.n_embd || spec_.architecture == "qwen3") {
    writer_.AddU32(Key("attention.key_length"), spec_.head_dim);
    writer_.AddU32(Key("attention.value_length"), spec_.head_dim);
  }
  AddRopeKeys();
  AddVocabulary(spec_.vocabulary == "gpt2"
                    ? MakeBpeVocabulary(spec_.n_vocab, spec_.pre_tokenizer, spec_.seed)
                    : MakeSpmVocabulary(spec_.n_vocab, spec_.seed),
                writer_);
}

void Maker::AddRopeKeys() {
  writer_.AddU32(Key("rope.dimension_count"), spec_.head_dim);
  writer_.AddF32(Key("rope.freq_base"), static_cast<float>(spec_.rope_base));
  if (spec_.rope_scaling != "linear" && spec_.rope_scaling != "yarn") return;
  writer_.AddString(Key("rope.scaling.type"), spec_.rope_scaling);
  writer_.AddF32(Key("rope.scaling.factor"), static_cast<float>(spec_.rope_factor));
  writer_.AddU32(Key("rope.scaling.original_context_length"), spec_.rope_original_context);
}

void Maker::Matrix(const std::string& name, DType type, uint64_t in, uint64_t out, double std) {
  const auto found = spec_.types.find(name);
  tensors_.push_back(
      {name, found == spec_.types.end() ? type : found->second, {in, out}, Fill::kNormal, std});
}

// Deviations that keep every activation near 1, as trained models do: 1 / sqrt(inputs), less where
// the result is added to the residual stream.
void Maker::AddTensors() {
  const double width = std::pow(spec_.n_embd, -0.5);
  // Tied: small rows, or every token would predict itself.
  Matrix("token_embd.weight", spec_.embedding_type.value_or(spec_.type), spec_.n_embd,
         spec_.n_vocab, spec_.tied ? spec_.logit_std * width : 1);
  if (spec_.rope_scaling == "llama3") {
    Vector("rope_freqs.weight", spec_.head_dim / 2, Fill::kRopeFactors);
  }
  for (uint32_t layer = 0; layer < spec_.n_layer; ++layer) AddLayer(layer);
  Vector("output_norm.weight", spec_.n_embd, Fill::kNormWeight);
  if (!spec_.tied) {
    Matrix("output.weight", spec_.output_type.value_or(spec_.type), spec_.n_embd, spec_.n_vocab,
           spec_.logit_std * width);
  }
}

void Maker::AddLayer(uint32_t layer) {
  const auto name = [layer](std::string_view part) {
    return fmt::format("blk.{}.{}", layer, part);
  };
  const uint64_t heads = uint64_t{spec_.n_head} * spec_.head_dim;
  const uint64_t kv = uint64_t{spec_.n_head_kv} * spec_.head_dim;
  const double width = std::pow(spec_.n_embd, -0.5);
  const double residual = std::pow(2.0 * spec_.n_layer, -0.5);
  Vector(name("attn_norm.weight"), spec_.n_embd, Fill::kNormWeight);
  Matrix(name("attn_q.weight"), spec_.type, spec_.n_embd, heads, width);
  Matrix(name("attn_k.weight"), spec_.type, spec_.n_embd, kv, width);
  Matrix(name("attn_v.weight"), spec_.type, spec_.n_embd, kv, width);
  if (spec_.architecture == "qwen2") {
    Vector(name("attn_q.bias"), heads, Fill::kNormal, 0.3);
    Vector(name("attn_k.bias"), kv, Fill::kNormal, 0.3);
    Vector(name("attn_v.bias"), kv, Fill::kNormal, 0.3);
  }
  if (spec_.architecture == "qwen3") {
    Vector(name("attn_q_norm.weight"), spec_.head_dim, Fill::kNormWeight);
    Vector(name("attn_k_norm.weight"), spec_.head_dim, Fill::kNormWeight);
  }
  Matrix(name("attn_output.weight"), spec_.type, heads, spec_.n_embd,
         std::pow(static_cast<double>(heads), -0.5) * residual);
  Vector(name("ffn_norm.weight"), spec_.n_embd, Fill::kNormWeight);
  Matrix(name("ffn_gate.weight"), spec_.type, spec_.n_embd, spec_.n_ff, width);
  Matrix(name("ffn_up.weight"), spec_.type, spec_.n_embd, spec_.n_ff, width);
  Matrix(name("ffn_down.weight"), spec_.type, spec_.n_ff, spec_.n_embd,
         std::pow(spec_.n_ff, -0.5) * residual * 2);
}

// What Llama 3.1 divides frequencies by: 1 for short waves, the factor for long ones, and between
// (a quarter of the original context, the original context) a smooth change.
Bytes Maker::RopeFactors() const {
  Bytes out;
  const double context = spec_.rope_original_context;
  for (uint32_t i = 0; i < spec_.head_dim / 2; ++i) {
    const double frequency = std::pow(spec_.rope_base, -2.0 * i / spec_.head_dim);
    const double waves = context * frequency / (2 * std::numbers::pi);
    const double smooth = (std::min(std::max(waves, 1.0), 4.0) - 1) / 3;
    const float factor = static_cast<float>(1 / ((1 - smooth) / spec_.rope_factor + smooth));
    const std::span bytes = std::as_bytes(std::span(&factor, 1));
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return out;
}

void Maker::WriteTensor(const Tensor& tensor, std::ofstream& file) {
  uint64_t left = 1;
  for (const uint64_t dim : tensor.dims) left *= dim;
  Random random(spec_.seed, tensor.name);
  Bytes bytes;
  while (left > 0) {
    const uint64_t elements = std::min(left, kSliceElements);
    left -= elements;
    bytes.clear();
    if (tensor.fill == Fill::kNormal) {
      AppendWeights(random, tensor.type, elements, tensor.std, bytes);
    } else if (tensor.fill == Fill::kNormWeight) {
      AppendUniform(random, elements, 0.8, 1.2, bytes);
    } else {
      bytes = RopeFactors();
    }
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
}

Status Maker::WriteFile(const std::string& path) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  const Bytes header = writer_.Header();
  file.write(reinterpret_cast<const char*>(header.data()),
             static_cast<std::streamsize>(header.size()));
  for (size_t i = 0; i < tensors_.size(); ++i) {
    WriteTensor(tensors_[i], file);
    const std::string zeros(writer_.Padding(i), '\0');
    file.write(zeros.data(), static_cast<std::streamsize>(zeros.size()));
  }
  file.close();
  if (!file) return FailAt(ErrorCode::kIo, "IO_WRITE", "the model cannot be written", path);
  return {};
}

}  // namespace

Status MakeModel(const ModelSpec& spec, const std::string& path) { return Maker(spec).Write(path); }

}  // namespace tinyai::testing_models
