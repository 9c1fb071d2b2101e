#pragma once

// Small .tmai files in memory, for the tests of this folder and the fuzz target.

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "format/memory_source.h"
#include "format/tmai_layout.h"
#include "format/tmai_writer.h"

namespace tinyai {

class MemorySink : public ByteSink {
 public:
  Status WriteAt(uint64_t offset, std::span<const std::byte> from) override {
    if (bytes.size() < offset + from.size()) bytes.resize(offset + from.size());
    if (!from.empty()) std::memcpy(bytes.data() + offset, from.data(), from.size());
    return {};
  }
  std::vector<std::byte> bytes;
};

inline TensorInfo NewTensor(std::string name, DType type, std::vector<uint64_t> dims) {
  TensorInfo tensor{
      std::move(name), type, static_cast<uint32_t>(dims.size()), {1, 1, 1, 1}, 0, 0, 0};
  std::copy(dims.begin(), dims.end(), tensor.dims.begin());
  return tensor;
}

// Byte `at` of tensor `index`.
inline std::byte PatternByte(size_t index, uint64_t at) {
  return static_cast<std::byte>(at * 7 + at / 251 + index * 31 + 1);
}

inline Status PatternSource(size_t index, uint64_t offset, std::span<std::byte> out) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = PatternByte(index, offset + i);
  return {};
}

// Three layers, the second with two operands and attributes of every type; a tensor of no layer.
inline TmaiContents SmallContents() {
  TmaiContents out;
  out.metadata.AddString("general.name", "small");
  out.metadata.AddStrings("tokenizer.ggml.tokens", std::vector<std::string>{"a", "", "\xFF"});
  out.tensors = {
      NewTensor("conv.weight", DType::kF32, {3, 3, 2, 4}), NewTensor("conv.bias", DType::kF32, {4}),
      NewTensor("dense.weight", DType::kQ8_0, {64, 40}), NewTensor("extra", DType::kF16, {5})};
  GraphRecords& graph = out.graph.emplace();
  graph.values = {{"x", {2, 8, 8}}, {"c", {4, 8, 8}}, {"s", {4, 8, 8}}, {"y", {40}}};
  graph.ops = {{"conv",
                "conv2d",
                {{"stride", std::vector<int64_t>{1, 1}}, {"groups", int64_t{1}}},
                {0},
                {1},
                {0, 1}},
               {"sum", "add", {{"scale", 0.5}, {"mode", std::string("plain")}}, {1, 0}, {2}, {}},
               {"dense", "dense", {}, {2}, {3}, {2}}};
  graph.layers = {{"conv", LayerRole::kConv, 0, 1, 0, 2, {0}, 1},
                  {"sum", LayerRole::kOther, 1, 1, 2, 0, {1, 0}, 2},
                  {"dense", LayerRole::kOutput, 2, 1, 2, 1, {2}, 3}};
  graph.inputs = {0};
  graph.outputs = {3};
  return out;
}

inline std::vector<std::byte> BuildTmai(TmaiContents& contents) {
  MemorySink sink;
  if (!LayOutTmai(contents) || !WriteTmai(contents, PatternSource, sink)) return {};
  return std::move(sink.bytes);
}

inline std::vector<std::byte> SmallTmai() {
  TmaiContents contents = SmallContents();
  return BuildTmai(contents);
}

inline Result<ModelFile> ReadTmaiBytes(std::span<const std::byte> bytes) {
  std::vector<std::unique_ptr<ByteSource>> parts;
  return ReadTmai(std::make_unique<MemorySource>("small.tmai", bytes), parts);
}

// Makes the checksums of header, directory and metadata right again after a change.
inline void FixTmaiChecksums(std::vector<std::byte>& file) {
  const auto number = [&](size_t at) {
    uint64_t value;
    std::memcpy(&value, file.data() + at, sizeof(value));
    return value;
  };
  const auto put = [&](size_t at, uint64_t value) {
    std::memcpy(file.data() + at, &value, sizeof(value));
  };
  if (file.size() < kTmaiPage) return;
  for (const size_t section : {72, 96}) {
    const uint64_t offset = number(section), bytes = number(section + 8);
    if (offset > file.size() || bytes > file.size() - offset) continue;
    put(section + 16, Checksum(std::span(file).subspan(offset, bytes)));
  }
  put(kTmaiPage - 8, Checksum(std::span(file).first(kTmaiPage - 8)));
}

}  // namespace tinyai
