#pragma once

// What the tests of the GGUF reader share.

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "format/gguf_writer.h"
#include "format/memory_source.h"
#include "format/model_file.h"

namespace tinyai {

using Bytes = std::vector<std::byte>;

// A small valid file with a value of every type, an array of every kind and three tensors. The
// bytes of tensor i are all 0xAA + 0x11 * i.
inline Bytes SmallGguf(uint32_t version = 3) {
  GgufWriter writer(version);
  writer.AddString("general.architecture", "llama");
  writer.AddRaw<uint8_t>("k.u8", MetaType::kU8, 200);
  writer.AddRaw<int8_t>("k.i8", MetaType::kI8, -7);
  writer.AddRaw<uint16_t>("k.u16", MetaType::kU16, 60'000);
  writer.AddRaw<int16_t>("k.i16", MetaType::kI16, -300);
  writer.AddU32("k.u32", 4'000'000'000);
  writer.AddI32("k.i32", -2'000'000'000);
  writer.AddF32("k.f32", 1.5f);
  writer.AddBool("k.bool", true);
  writer.AddU64("k.u64", uint64_t{1} << 63);
  writer.AddRaw<int64_t>("k.i64", MetaType::kI64, -(int64_t{1} << 40));
  writer.AddRaw<double>("k.f64", MetaType::kF64, 0.1);
  const std::vector<std::string> tokens = {"a", "", "\xFF\x1B", "long token"};
  writer.AddStrings("tokenizer.ggml.tokens", tokens);
  const std::vector<float> scores = {0, -1, -2.5f, 3};
  writer.AddNumbers<float>("tokenizer.ggml.scores", MetaType::kF32, scores);
  const std::vector<int32_t> heads = {4, -1, 2};
  writer.AddNumbers<int32_t>("k.ints", MetaType::kI32, heads);
  const std::vector<uint8_t> bools = {1, 0, 1};
  writer.AddNumbers<uint8_t>("k.bools", MetaType::kBool, bools);
  const std::vector<uint64_t> a = {5}, b = {64, 3}, c = {2, 3, 2};
  writer.AddTensor("a.weight", DType::kF32, a);
  writer.AddTensor("b.weight", DType::kQ8_0, b);
  writer.AddTensor("c.weight", DType::kF16, c);
  std::vector<Bytes> data;
  for (size_t i = 0; i < writer.tensor_count(); ++i) {
    data.emplace_back(writer.TensorBytes(i), static_cast<std::byte>(0xAA + 0x11 * i));
  }
  return BuildGguf(writer, data);
}

// Reads a file that is not split.
inline Result<ModelFile> Read(std::span<const std::byte> bytes,
                              std::vector<std::unique_ptr<ByteSource>>& parts) {
  const OpenSource open = [](const std::string& path) -> Result<std::unique_ptr<ByteSource>> {
    return FailAt(ErrorCode::kIo, "OPEN", "no such file", path);
  };
  return ReadGguf(std::make_unique<MemorySource>("test.gguf", bytes), open, parts);
}

inline Result<ModelFile> Read(std::span<const std::byte> bytes) {
  std::vector<std::unique_ptr<ByteSource>> parts;
  return Read(bytes, parts);
}

}  // namespace tinyai
