// Reading good files; damaged ones are in gguf_damage_test.cc.

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "format/gguf_test_support.h"
#include "format/gguf_writer.h"
#include "format/model_file.h"
#include "gtest/gtest.h"

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
    EXPECT_EQ(file->FindTensor("none"), nullptr);
    EXPECT_EQ(file->TensorBytes(), 5u * 4 + 204 + 2 * 3 * 2 * 2);
    EXPECT_EQ(parts.size(), 1u);
  }
}

}  // namespace
}  // namespace tinyai
