#pragma once

// Small ONNX files in memory, for the tests of the reader and of what is made of it, and for the
// fuzz target.

#include <bit>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/memory_source.h"
#include "format/onnx_model.h"

namespace tinyai {

inline std::string ProtoVarint(uint64_t value) {
  std::string out;
  for (; value > 127; value >>= 7) out.push_back(static_cast<char>((value & 127) | 128));
  out.push_back(static_cast<char>(value));
  return out;
}
inline std::string ProtoNumber(uint32_t number, uint64_t value) {
  return ProtoVarint(uint64_t{number} << 3) + ProtoVarint(value);
}
inline std::string ProtoBytes(uint32_t number, std::string_view bytes) {
  return ProtoVarint(uint64_t{number} << 3 | 2) + ProtoVarint(bytes.size()) + std::string(bytes);
}

template <typename Number>
std::string RawNumbers(const std::vector<Number>& numbers) {
  std::string out(numbers.size() * sizeof(Number), '\0');
  if (!out.empty()) std::memcpy(out.data(), numbers.data(), out.size());
  return out;
}

// Fields 1 dims, 2 type, 8 name; the elements are to be added.
inline std::string OnnxTensorHead(std::string_view name, OnnxType type,
                                  std::initializer_list<uint64_t> dims) {
  std::string out;
  for (const uint64_t size : dims) out += ProtoNumber(1, size);
  return out + ProtoNumber(2, static_cast<uint64_t>(type)) + ProtoBytes(8, name);
}
inline std::string OnnxFloats(std::string_view name, std::initializer_list<uint64_t> dims,
                              const std::vector<float>& values) {
  return OnnxTensorHead(name, OnnxType::kFloat, dims) + ProtoBytes(9, RawNumbers(values));
}
inline std::string OnnxIntegers(std::string_view name, std::initializer_list<uint64_t> dims,
                                const std::vector<int64_t>& values) {
  std::string packed;
  for (const int64_t value : values) packed += ProtoVarint(static_cast<uint64_t>(value));
  return OnnxTensorHead(name, OnnxType::kI64, dims) + ProtoBytes(7, packed);
}
// Elements in a file beside the model.
inline std::string OnnxExternal(std::string_view name, std::initializer_list<uint64_t> dims,
                                std::string_view location, uint64_t offset,
                                std::string_view length = "") {
  const auto entry = [](std::string_view key, std::string_view value) {
    return ProtoBytes(13, ProtoBytes(1, key) + ProtoBytes(2, value));
  };
  std::string out = OnnxTensorHead(name, OnnxType::kFloat, dims) + entry("location", location) +
                    entry("offset", std::to_string(offset)) + ProtoNumber(14, 1);
  if (!length.empty()) out += entry("length", length);
  return out;
}

// A model under construction.
struct OnnxText {
  std::string graph;
  uint64_t opset = 17;

  OnnxText& Node(std::string_view op, std::initializer_list<std::string_view> ins,
                 std::initializer_list<std::string_view> outs, std::string_view attributes = "") {
    std::string node;
    for (const std::string_view name : ins) node += ProtoBytes(1, name);
    for (const std::string_view name : outs) node += ProtoBytes(2, name);
    node += ProtoBytes(3, std::string(op) + "_node") + ProtoBytes(4, op);
    graph += ProtoBytes(1, node + std::string(attributes));
    return *this;
  }
  OnnxText& Tensor(std::string_view message) {
    graph += ProtoBytes(5, message);
    return *this;
  }
  // A size of 0 is one that is called "seq" instead.
  OnnxText& Input(std::string_view name, std::initializer_list<uint64_t> dims) {
    std::string shape;
    for (const uint64_t size : dims) {
      shape += ProtoBytes(1, size == 0 ? ProtoBytes(2, "seq") : ProtoNumber(1, size));
    }
    const std::string type = ProtoBytes(1, ProtoNumber(1, 1) + ProtoBytes(2, shape));
    graph += ProtoBytes(11, ProtoBytes(1, name) + ProtoBytes(2, type));
    return *this;
  }
  OnnxText& Output(std::string_view name) {
    graph += ProtoBytes(12, ProtoBytes(1, name));
    return *this;
  }
  std::string Bytes() const {
    return ProtoNumber(1, 8) + ProtoBytes(7, ProtoBytes(2, "small") + graph) +
           ProtoBytes(8, ProtoBytes(1, "") + ProtoNumber(2, opset));
  }
};

inline std::string OnnxInteger(std::string_view name, int64_t value) {
  return ProtoBytes(
      5, ProtoBytes(1, name) + ProtoNumber(3, static_cast<uint64_t>(value)) + ProtoNumber(20, 2));
}

// Two products, one with its weights turned, and what lies between them.
inline OnnxText SmallOnnx() {
  OnnxText out;
  out.Input("x", {1, 4})
      .Tensor(OnnxFloats("w", {4, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}))
      .Tensor(OnnxFloats("b", {3}, {-1, 0, 1}))
      .Tensor(OnnxFloats("v", {2, 3}, {1, 0, 0, 0, 1, 0}))
      .Tensor(OnnxIntegers("shape", {2}, {0, -1}))
      .Node("MatMul", {"x", "w"}, {"a"})
      .Node("Add", {"a", "b"}, {"c"})
      .Node("Relu", {"c"}, {"d"})
      .Node("Reshape", {"d", "shape"}, {"e"})
      .Node("Gemm", {"e", "v"}, {"y"}, OnnxInteger("transB", 1))
      .Output("y");
  return out;
}

// A model in memory, with its files of external data.
struct OpenOnnx {
  std::vector<std::unique_ptr<ByteSource>> owned;
  Result<OnnxModel> model;

  std::vector<const ByteSource*> parts() const {
    std::vector<const ByteSource*> out;
    for (const auto& part : owned) out.push_back(part.get());
    return out;
  }
};

using OnnxFiles = std::map<std::string, std::string>;

// `bytes` and `beside` outlive the result.
inline OpenOnnx ReadOnnxBytes(std::string_view bytes, const OnnxFiles& beside = {}) {
  const auto source = [](std::string name, std::string_view text) {
    return std::make_unique<MemorySource>(std::move(name), std::as_bytes(std::span(text)));
  };
  OpenOnnx out;
  const OpenBeside open = [&](const std::string& name) -> Result<std::unique_ptr<ByteSource>> {
    const auto found = beside.find(name);
    if (found != beside.end()) return source(name, found->second);
    return FailAt(ErrorCode::kBadFile, "ONNX_DATA", "there is no such file", name);
  };
  out.model = ReadOnnx(source("net.onnx", bytes), open, out.owned);
  return out;
}

}  // namespace tinyai
