#pragma once

// What the tests and the fuzz target of the GGUF reader share.

#include <cstring>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
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

// Not inlined: GCC 12 mistakes the growing vector for one of fixed size and warns.
[[gnu::noinline]] inline void Put(Bytes& out, std::string_view text) {
  const size_t size = out.size();
  out.resize(size + text.size());
  if (!text.empty()) std::memcpy(out.data() + size, text.data(), text.size());
}
template <typename T>
void PutNumber(Bytes& out, T value) {
  Put(out, {reinterpret_cast<const char*>(&value), sizeof(value)});
}
inline void PutString(Bytes& out, std::string_view text) {
  PutNumber<uint64_t>(out, text.size());
  Put(out, text);
}

// A GGUF file field by field, with no regard to whether it makes sense.
struct RawGguf {
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::optional<uint64_t> tensor_count, key_count;  // if not as many as there are
  std::vector<Bytes> keys, tensors;
  uint64_t alignment = 32;
  uint64_t data_bytes = 0;

  void Key(std::string_view name, uint32_t type, const Bytes& value) {
    Bytes& key = keys.emplace_back();
    PutString(key, name);
    PutNumber(key, type);
    key.insert(key.end(), value.begin(), value.end());
  }
  template <typename T>
  void Number(std::string_view name, MetaType type, T value) {
    Bytes bytes;
    PutNumber(bytes, value);
    Key(name, static_cast<uint32_t>(type), bytes);
  }
  void Array(std::string_view name, uint32_t type, uint64_t count, const Bytes& items) {
    Bytes bytes;
    PutNumber(bytes, type);
    PutNumber(bytes, count);
    bytes.insert(bytes.end(), items.begin(), items.end());
    Key(name, static_cast<uint32_t>(MetaType::kArray), bytes);
  }
  void Tensor(std::string_view name, std::initializer_list<uint64_t> dims, uint32_t type,
              uint64_t offset) {
    Bytes& tensor = tensors.emplace_back();
    PutString(tensor, name);
    PutNumber(tensor, static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) PutNumber(tensor, dim);
    PutNumber(tensor, type);
    PutNumber(tensor, offset);
  }
  Bytes Build() const {
    Bytes out;
    Put(out, magic);
    PutNumber(out, version);
    PutNumber<uint64_t>(out, tensor_count.value_or(tensors.size()));
    PutNumber<uint64_t>(out, key_count.value_or(keys.size()));
    for (const Bytes& key : keys) out.insert(out.end(), key.begin(), key.end());
    for (const Bytes& tensor : tensors) out.insert(out.end(), tensor.begin(), tensor.end());
    out.resize((out.size() + alignment - 1) / alignment * alignment + data_bytes);
    return out;
  }
};

// A file that starts with `start` and is zeros up to `size`, which no machine has to hold.
class SparseSource : public ByteSource {
 public:
  SparseSource(Bytes start, uint64_t size) : start_(std::move(start)), size_(size) {}
  const std::string& path() const override { return path_; }
  uint64_t size() const override { return size_; }
  Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
    if (out.size() > size_ || offset > size_ - out.size()) {
      return FailAt(ErrorCode::kIo, "IO_READ", "past the end", path_, offset);
    }
    std::fill(out.begin(), out.end(), std::byte{0});
    if (offset < start_.size()) {
      const size_t bytes = std::min<uint64_t>(out.size(), start_.size() - offset);
      std::memcpy(out.data(), start_.data() + offset, bytes);
    }
    bytes_read += out.size();
    return {};
  }
  mutable uint64_t bytes_read = 0;

 private:
  std::string path_ = "sparse.gguf";
  Bytes start_;
  uint64_t size_;
};

// Files by path; the reader may open no other.
using Files = std::map<std::string, Bytes>;

inline OpenSource OpenFrom(const Files& files) {
  return [&files](const std::string& path) -> Result<std::unique_ptr<ByteSource>> {
    const auto found = files.find(path);
    if (found == files.end()) {
      return FailAt(ErrorCode::kIo, "OPEN", "no such file", path);
    }
    return std::make_unique<MemorySource>(path, found->second);
  };
}

// Reads a file that is not split.
inline Result<ModelFile> Read(std::span<const std::byte> bytes,
                              std::vector<std::unique_ptr<ByteSource>>& parts) {
  return ReadGguf(std::make_unique<MemorySource>("test.gguf", bytes), OpenFrom({}), parts);
}
inline Result<ModelFile> Read(std::span<const std::byte> bytes) {
  std::vector<std::unique_ptr<ByteSource>> parts;
  return Read(bytes, parts);
}

// The key of the error that reading gives; "" if it gives none.
inline std::string_view KeyOf(const Result<ModelFile>& result) {
  return result ? std::string_view() : result.error().key;
}

// What must hold of every file that was read, checked slowly. Returns what does not hold, or "".
inline std::string FindContradiction(const ModelFile& file) {
  for (size_t i = 0; i < file.tensors.size(); ++i) {
    const TensorInfo& a = file.tensors[i];
    if (a.offset > file.part_sizes[a.part] || a.bytes > file.part_sizes[a.part] - a.offset) {
      return a.name + " lies outside the file";
    }
    if (file.FindTensor(a.name) != &a) return a.name + " is not found by its name";
    for (size_t j = 0; j < i; ++j) {
      const TensorInfo& b = file.tensors[j];
      if (a.part == b.part && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes) {
        return a.name + " overlaps " + b.name;
      }
    }
  }
  for (const Metadata::Entry& entry : file.metadata.entries()) {
    if (!entry.value.is_array || entry.value.type != MetaType::kString) continue;
    uint64_t visited = 0;
    const Status status = file.metadata.VisitStrings(
        entry.key,
        [&](uint64_t i, std::string_view) -> Status { return visited = i + 1, Status(); });
    if (!status || visited != entry.value.count) return entry.key + " cannot be walked";
  }
  return "";
}

}  // namespace tinyai
