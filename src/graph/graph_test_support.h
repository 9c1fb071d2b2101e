#pragma once

// Headers of models for tests, without data: every key and tensor can be changed before the file is
// made.

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "fmt/format.h"
#include "format/gguf_writer.h"
#include "format/model_file.h"

namespace tinyai {

// A file of any length of which only the header exists.
class HeaderSource : public ByteSource {
 public:
  HeaderSource(std::vector<std::byte> header, uint64_t size)
      : header_(std::move(header)), size_(size) {}
  const std::string& path() const override { return path_; }
  uint64_t size() const override { return size_; }
  Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
    std::fill(out.begin(), out.end(), std::byte{0});
    if (offset >= header_.size()) return {};
    const size_t there = std::min<size_t>(out.size(), header_.size() - offset);
    std::copy_n(header_.begin() + static_cast<ptrdiff_t>(offset), there, out.begin());
    return {};
  }

 private:
  std::string path_ = "model.gguf";
  std::vector<std::byte> header_;
  uint64_t size_;
};

struct TestTensor {
  std::string name;
  DType type;
  std::vector<uint64_t> dims;  // innermost first
};

struct TestShape {
  std::string architecture = "llama";
  uint32_t width = 64, layers = 2, feed_forward = 96, heads = 4, kv_heads = 2, vocabulary = 128;
  uint32_t context = 256;
  uint32_t head_dim = 0;  // 0: width / heads
  DType type = DType::kQ8_0;
  DType embedding_type = DType::kQ8_0;
  bool tied = false;
};

class TestModel {
 public:
  explicit TestModel(const TestShape& shape) : architecture(shape.architecture) {
    const uint64_t head_dim = shape.head_dim == 0 ? shape.width / shape.heads : shape.head_dim;
    SetU32("block_count", shape.layers);
    SetU32("embedding_length", shape.width);
    SetU32("context_length", shape.context);
    SetU32("feed_forward_length", shape.feed_forward);
    SetU32("attention.head_count", shape.heads);
    SetU32("attention.head_count_kv", shape.kv_heads);
    if (shape.head_dim != 0) {
      SetU32("attention.key_length", shape.head_dim);
      SetU32("attention.value_length", shape.head_dim);
    }
    AddTensors(shape, head_dim);
  }

  // `name` without the architecture.
  void SetU32(const std::string& name, uint32_t value) {
    Set(name, [value](GgufWriter& out, const std::string& key) { out.AddU32(key, value); });
  }
  void SetI32(const std::string& name, int32_t value) {
    Set(name, [value](GgufWriter& out, const std::string& key) { out.AddI32(key, value); });
  }
  void SetF32(const std::string& name, float value) {
    Set(name, [value](GgufWriter& out, const std::string& key) { out.AddF32(key, value); });
  }
  void SetString(const std::string& name, const std::string& value) {
    Set(name, [value](GgufWriter& out, const std::string& key) { out.AddString(key, value); });
  }
  void SetArray(const std::string& name, const std::vector<int32_t>& value) {
    Set(name, [value](GgufWriter& out, const std::string& key) {
      out.AddNumbers<int32_t>(key, MetaType::kI32, value);
    });
  }
  void Remove(const std::string& name) { keys.erase(name); }
  TestTensor& Tensor(const std::string& name) {
    return *std::find_if(tensors.begin(), tensors.end(),
                         [&](const TestTensor& tensor) { return tensor.name == name; });
  }
  void RemoveTensor(const std::string& name) {
    std::erase_if(tensors, [&](const TestTensor& tensor) { return tensor.name == name; });
  }
  void Shuffle(uint64_t seed) {
    std::mt19937_64 random(seed);
    std::shuffle(tensors.begin(), tensors.end(), random);
  }

  Result<ModelFile> Read() const {
    GgufWriter writer;
    if (architecture) writer.AddString("general.architecture", *architecture);
    for (const auto& [name, add] : keys) add(writer, architecture.value_or("") + "." + name);
    for (const TestTensor& tensor : tensors) {
      writer.AddTensor(tensor.name, tensor.type, tensor.dims);
    }
    std::vector<std::byte> header = writer.Header();
    uint64_t size = header.size();
    for (size_t i = 0; i < tensors.size(); ++i) size += writer.TensorBytes(i) + writer.Padding(i);
    std::vector<std::unique_ptr<ByteSource>> parts;
    const OpenSource none = [](const std::string& path) -> Result<std::unique_ptr<ByteSource>> {
      return FailAt(ErrorCode::kIo, "OPEN", "no such file", path);
    };
    return ReadGguf(std::make_unique<HeaderSource>(std::move(header), size), none, parts);
  }

  std::optional<std::string> architecture;
  std::map<std::string, std::function<void(GgufWriter&, const std::string& key)>> keys;
  std::vector<TestTensor> tensors;

 private:
  void Set(const std::string& name, std::function<void(GgufWriter&, const std::string&)> add) {
    keys[name] = std::move(add);
  }
  void AddTensors(const TestShape& shape, uint64_t head_dim) {
    const uint64_t width = shape.width, q = shape.heads * head_dim, kv = shape.kv_heads * head_dim;
    tensors.push_back({"token_embd.weight", shape.embedding_type, {width, shape.vocabulary}});
    for (uint32_t layer = 0; layer < shape.layers; ++layer) {
      const auto add = [&](std::string_view name, DType type, std::vector<uint64_t> dims) {
        tensors.push_back({fmt::format("blk.{}.{}", layer, name), type, std::move(dims)});
      };
      add("attn_norm.weight", DType::kF32, {width});
      add("attn_q.weight", shape.type, {width, q});
      add("attn_k.weight", shape.type, {width, kv});
      add("attn_v.weight", shape.type, {width, kv});
      if (shape.architecture == "qwen2") {
        add("attn_q.bias", DType::kF32, {q});
        add("attn_k.bias", DType::kF32, {kv});
        add("attn_v.bias", DType::kF32, {kv});
      }
      if (shape.architecture == "qwen3") {
        add("attn_q_norm.weight", DType::kF32, {head_dim});
        add("attn_k_norm.weight", DType::kF32, {head_dim});
      }
      add("attn_output.weight", shape.type, {q, width});
      add("ffn_norm.weight", DType::kF32, {width});
      add("ffn_gate.weight", shape.type, {width, shape.feed_forward});
      add("ffn_up.weight", shape.type, {width, shape.feed_forward});
      add("ffn_down.weight", shape.type, {shape.feed_forward, width});
    }
    tensors.push_back({"output_norm.weight", DType::kF32, {width}});
    if (!shape.tied) {
      tensors.push_back({"output.weight", shape.type, {width, shape.vocabulary}});
    }
  }
};

}  // namespace tinyai
