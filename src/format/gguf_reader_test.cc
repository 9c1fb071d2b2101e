// Reading good files, very large ones, and what can be read of damaged ones.

#include "fmt/format.h"
#include "format/gguf_test_support.h"
#include "format/header_reader.h"
#include "format/limits.h"
#include "gtest/gtest.h"
#include "os/file.h"
#include "paths/paths.h"

namespace tinyai {
namespace {

TEST(GgufReader, ReadsWhatTheWriterWroteInBothVersions) {
  for (const uint32_t version : {2u, 3u}) {
    const Bytes bytes = SmallGguf(version);
    std::vector<std::unique_ptr<ByteSource>> parts;
    const Result<ModelFile> file = Read(bytes, parts);
    ASSERT_TRUE(file) << Describe(file.error());
    EXPECT_EQ(file->format, "GGUF v" + std::to_string(version));
    EXPECT_EQ(file->parts, std::vector<std::string>{"test.gguf"});
    EXPECT_EQ(file->part_sizes, std::vector<uint64_t>{bytes.size()});
    EXPECT_TRUE(file->warnings.empty());
    ASSERT_EQ(file->tensors.size(), 3u);
    const TensorInfo* b = file->FindTensor("b.weight");
    ASSERT_NE(b, nullptr);
    EXPECT_EQ(b->type, DType::kQ8_0);
    EXPECT_EQ(b->n_dims, 2u);
    EXPECT_EQ(b->dims, (std::array<uint64_t, 4>{64, 3, 1, 1}));
    EXPECT_EQ(b->bytes, 64u / 32 * 34 * 3);
    EXPECT_EQ(b->offset % 32, 0u);
    EXPECT_EQ(bytes[b->offset], std::byte{0xBB});  // SmallGguf fills tensor 1 with 0xBB
    EXPECT_EQ(bytes[b->offset - 1], std::byte{0});
    EXPECT_EQ(file->FindTensor("none"), nullptr);
    EXPECT_EQ(file->TensorBytes(), 5u * 4 + 204 + 2 * 3 * 2 * 2);
    EXPECT_EQ(parts.size(), 1u);
  }
}

TEST(GgufReader, ReadsWhatTheWriterWroteWithAnyAlignment) {
  for (const uint32_t alignment : {1u, 2u, 8u, 64u, 4096u, 65536u}) {
    GgufWriter writer;
    writer.SetAlignment(alignment);
    const std::vector<uint64_t> dims = {3};
    writer.AddTensor("a", DType::kF32, dims);
    writer.AddTensor("b", DType::kF16, dims);
    const std::vector<Bytes> data = {Bytes(12, std::byte{1}), Bytes(6, std::byte{2})};
    const Bytes bytes = BuildGguf(writer, data);
    const Result<ModelFile> file = Read(bytes);
    ASSERT_TRUE(file) << Describe(file.error());
    EXPECT_TRUE(file->warnings.empty()) << file->warnings[0];
    for (const TensorInfo& tensor : file->tensors) EXPECT_EQ(tensor.offset % alignment, 0u);
    EXPECT_EQ(bytes[file->tensors[1].offset], std::byte{2});
  }
}

// The shapes that the models' README and their maker state; the data of each follows the one
// before.
struct SharedModel {
  const char* name;
  uint64_t width, layers, vocabulary, kv_width;
  bool tied;
};

class SharedModels : public testing::TestWithParam<SharedModel> {};

TEST_P(SharedModels, OpenWithTheTensorsTheyAreMadeOf) {
  const SharedModel& model = GetParam();
  const std::string path = fmt::format("{}/models/{}", SharedFolder(), model.name);
  Result<std::unique_ptr<File>> source = File::Open(path);
  if (!source) GTEST_SKIP() << "no " << path << "; set TINYAI_SHARED to the folder of samples";
  std::vector<std::unique_ptr<ByteSource>> parts;
  const Result<ModelFile> file = ReadGguf(std::move(*source), nullptr, parts);
  ASSERT_TRUE(file) << Describe(file.error());
  EXPECT_TRUE(file->warnings.empty()) << file->warnings[0];
  EXPECT_EQ(file->tensors.size(), model.layers * 9 + (model.tied ? 2 : 3));
  const auto dims = [&](const std::string& name) {
    const TensorInfo* tensor = file->FindTensor(name);
    return tensor == nullptr ? std::array<uint64_t, 4>{} : tensor->dims;
  };
  using Dims = std::array<uint64_t, 4>;
  EXPECT_EQ(dims("token_embd.weight"), (Dims{model.width, model.vocabulary, 1, 1}));
  EXPECT_EQ(dims("output_norm.weight"), (Dims{model.width, 1, 1, 1}));
  const std::string last = fmt::format("blk.{}.", model.layers - 1);
  EXPECT_EQ(dims(last + "attn_q.weight"), (Dims{model.width, model.width, 1, 1}));
  EXPECT_EQ(dims(last + "attn_k.weight"), (Dims{model.width, model.kv_width, 1, 1}));
  EXPECT_EQ(file->FindTensor("output.weight") == nullptr, model.tied);
  EXPECT_EQ(file->metadata.OptionalString("general.architecture").value(), "llama");
  EXPECT_EQ(file->metadata.Find("tokenizer.ggml.tokens")->count, model.vocabulary);
  uint64_t end = file->tensors[0].offset;
  for (const TensorInfo& tensor : file->tensors) {
    EXPECT_EQ(tensor.offset, end) << tensor.name;
    end = (tensor.offset + tensor.bytes + 31) / 32 * 32;
  }
  EXPECT_EQ(end, parts[0]->size());
}

INSTANTIATE_TEST_SUITE_P(All, SharedModels,
                         testing::Values(SharedModel{"tiny-f32.gguf", 64, 2, 512, 32, false},
                                         SharedModel{"tiny-f16.gguf", 64, 2, 512, 32, false},
                                         SharedModel{"tiny-q8_0.gguf", 64, 2, 512, 32, false},
                                         SharedModel{"tiny-q4_0.gguf", 64, 2, 512, 32, false},
                                         SharedModel{"mini-q4_k.gguf", 256, 2, 512, 128, false},
                                         SharedModel{"mini-q6_k.gguf", 256, 2, 512, 128, false},
                                         SharedModel{"mini-mixed-tied.gguf", 256, 3, 512, 32, true},
                                         SharedModel{"tales-f32.gguf", 256, 4, 2048, 128, true},
                                         SharedModel{"tales-q8_0.gguf", 256, 4, 2048, 128, true}));

// A32: the size of a file costs nothing.
TEST(GgufReader, OpensASparseFileOf8TebibytesReadingItsHeaderOnly) {
  constexpr uint64_t kSize = uint64_t{8} << 40;
  RawGguf raw;
  raw.Tensor("large", {uint64_t{1} << 40}, 0, 0);
  raw.Tensor("last", {4}, 0, uint64_t{4} << 40);
  auto source = std::make_unique<SparseSource>(raw.Build(), kSize);
  std::vector<std::unique_ptr<ByteSource>> parts;
  const Result<ModelFile> file = ReadGguf(std::move(source), nullptr, parts);
  ASSERT_TRUE(file) << Describe(file.error());
  EXPECT_EQ(file->FindTensor("large")->bytes, uint64_t{4} << 40);
  const auto& sparse = static_cast<const SparseSource&>(*parts[0]);
  EXPECT_LE(sparse.bytes_read, 2 * HeaderReader::kWindowBytes);
}

// ---- caps: at the cap a file is good, one above it is not

TEST(GgufReader, AcceptsAsManyKeysAsTheCapAndNoMore) {
  for (const uint64_t extra : {0, 1}) {
    RawGguf raw;
    for (uint64_t i = 0; i < kMaxGgufKeys + extra; ++i) {
      raw.Number<uint8_t>(fmt::format("{}", i), MetaType::kU8, 1);
    }
    EXPECT_EQ(KeyOf(Read(raw.Build())), extra == 0 ? "" : "GGUF_COUNT");
  }
}

TEST(GgufReader, AcceptsAsManyTensorsAsTheCapAndNoMore) {
  for (const uint64_t extra : {0, 1}) {
    RawGguf raw;
    raw.alignment = 1;
    raw.Number<uint32_t>("general.alignment", MetaType::kU32, 1);
    raw.tensors.reserve(kMaxTensors + extra);
    for (uint64_t i = 0; i < kMaxTensors + extra; ++i) {
      raw.Tensor(fmt::format("{}", i), {1}, 0, i * 4);
    }
    raw.data_bytes = raw.tensors.size() * 4;
    const Result<ModelFile> file = Read(raw.Build());
    EXPECT_EQ(KeyOf(file), extra == 0 ? "" : "GGUF_COUNT");
    if (!file) continue;
    EXPECT_EQ(file->FindTensor("999999")->offset, file->tensors[0].offset + 999'999 * 4);
  }
}

TEST(GgufReader, AcceptsKeysStringsAndArraysAsLongAsTheCapsAndNoLonger) {
  for (const uint64_t extra : {0, 1}) {
    RawGguf key;
    key.data_bytes = 1 << 17;
    key.Number<uint8_t>(std::string(kMaxGgufKeyBytes + extra, 'k'), MetaType::kU8, 1);
    EXPECT_EQ(KeyOf(Read(key.Build())), extra == 0 ? "" : "GGUF_STRING");
    RawGguf string;
    Bytes value;
    PutString(value, std::string(kMaxGgufStringBytes + extra, 's'));
    string.Key("s", static_cast<uint32_t>(MetaType::kString), value);
    EXPECT_EQ(KeyOf(Read(string.Build())), extra == 0 ? "" : "GGUF_STRING");
    RawGguf array;
    array.Array("a", static_cast<uint32_t>(MetaType::kU8), kMaxGgufArrayItems + extra,
                Bytes(kMaxGgufArrayItems + extra));
    EXPECT_EQ(KeyOf(Read(array.Build())), extra == 0 ? "" : "GGUF_ARRAY");
  }
}

TEST(GgufReader, AcceptsAlignmentsUpToTheCap) {
  RawGguf raw;
  raw.Number("general.alignment", MetaType::kU32, static_cast<uint32_t>(kMaxGgufAlignment));
  EXPECT_EQ(KeyOf(Read(raw.Build())), "");
}

TEST(GgufReader, RefusesMetadataBeyondTheTotalWithoutHoldingIt) {
  // Keys "0" to "8": arrays of 64 MiB of zeros, in a file that really has these bytes as a hole.
  constexpr uint64_t kArrayBytes = kMaxGgufArrayItems * 8 / 2;
  class HoleSource : public ByteSource {
   public:
    const std::string& path() const override { return path_; }
    uint64_t size() const override { return 24 + 12 * (25 + kArrayBytes); }
    Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
      std::fill(out.begin(), out.end(), std::byte{0});
      Bytes start;
      Put(start, "GGUF");
      PutNumber<uint32_t>(start, 3);
      PutNumber<uint64_t>(start, 0);
      PutNumber<uint64_t>(start, 12);
      Lay(start, 0, offset, out);
      for (uint64_t i = 0; i < 12; ++i) {
        Bytes key;
        PutString(key, std::string(1, static_cast<char>('a' + i)));
        PutNumber(key, static_cast<uint32_t>(MetaType::kArray));
        PutNumber(key, static_cast<uint32_t>(MetaType::kU64));
        PutNumber<uint64_t>(key, kArrayBytes / 8);
        Lay(key, 24 + i * (25 + kArrayBytes), offset, out);
      }
      return {};
    }

   private:
    static void Lay(const Bytes& bytes, uint64_t at, uint64_t offset, std::span<std::byte> out) {
      for (size_t i = 0; i < bytes.size(); ++i) {
        if (at + i >= offset && at + i - offset < out.size()) out[at + i - offset] = bytes[i];
      }
    }
    std::string path_ = "hole.gguf";
  };
  std::vector<std::unique_ptr<ByteSource>> parts;
  EXPECT_EQ(KeyOf(ReadGguf(std::make_unique<HoleSource>(), nullptr, parts)), "GGUF_ARRAY");
}

// ---- what a damaged file still tells

TEST(GgufPartial, GivesWhatCameBeforeTheDamage) {
  const Bytes bytes = SmallGguf();
  const Result<ModelFile> whole = Read(bytes);
  ASSERT_TRUE(whole);
  size_t keys = 0, tensors = 0;
  for (size_t size = 0; size <= bytes.size(); ++size) {
    std::vector<std::unique_ptr<ByteSource>> parts;
    const PartialModelFile partial = ReadGgufPartial(
        std::make_unique<MemorySource>("cut.gguf", std::span(bytes).first(size)), nullptr, parts);
    EXPECT_GE(partial.file.metadata.entries().size(), keys) << "more bytes tell no less";
    EXPECT_GE(partial.file.tensors.size(), tensors);
    keys = partial.file.metadata.entries().size();
    tensors = partial.file.tensors.size();
    for (size_t i = 0; i < keys; ++i) {
      EXPECT_EQ(partial.file.metadata.entries()[i].key, whole->metadata.entries()[i].key);
    }
    EXPECT_EQ(partial.file.parts, std::vector<std::string>{"cut.gguf"});
    EXPECT_EQ(partial.error.has_value(), size + 8 < bytes.size());
  }
  EXPECT_EQ(keys, 16u);
  EXPECT_EQ(tensors, 3u);
}

TEST(GgufPartial, ListsAllTensorsOfAFileWhoseDataIsCut) {
  const Bytes bytes = SmallGguf();
  std::vector<std::unique_ptr<ByteSource>> parts;
  const PartialModelFile partial = ReadGgufPartial(
      std::make_unique<MemorySource>("cut.gguf", std::span(bytes).first(bytes.size() - 64)),
      nullptr, parts);
  ASSERT_TRUE(partial.error.has_value());
  EXPECT_EQ(partial.error->key, "GGUF_TENSOR_RANGE");
  EXPECT_EQ(partial.file.tensors.size(), 3u);
  EXPECT_NE(partial.file.FindTensor("c.weight"), nullptr);
}

}  // namespace
}  // namespace tinyai
