// Rows A18 to A29 of the catalogue of faults: damaged tensor records and data.

#include <array>

#include "format/gguf_damage_support.h"
#include "format/limits.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

TEST(GgufDamage, A18TensorsHaveOneToFourDimensions) {
  RawGguf none = Good();
  none.Tensor("x", {}, kF32, 32);
  ExpectError(none, "GGUF_DIMS", "0");
  RawGguf five = Good();
  five.Tensor("x", {1, 1, 1, 1, 1}, kF32, 32);
  ExpectError(five, "GGUF_DIMS", "5");
  for (const uint32_t count : {9u, ~0u}) {
    RawGguf raw = Good();
    std::memcpy(raw.tensors[0].data() + 9, &count, 4);
    ExpectError(raw, "GGUF_DIMS", std::to_string(count));
  }
}

TEST(GgufDamage, A19NoDimensionIsZero) {
  for (size_t zero = 0; zero < 4; ++zero) {
    std::array<uint64_t, 4> dims = {4, 1, 1, 1};
    dims[zero] = 0;
    RawGguf raw;
    raw.Tensor("x", {dims[0], dims[1], dims[2], dims[3]}, kF32, 0);
    raw.data_bytes = 64;
    ExpectError(raw, "GGUF_ZERO_DIM", std::to_string(zero));
  }
}

TEST(GgufDamage, A20ShapesThatWrapAreErrors) {
  const std::initializer_list<uint64_t> shapes[] = {
      {uint64_t{1} << 63},
      {~uint64_t{0}},
      {4, ~uint64_t{0}},
      {uint64_t{1} << 32, uint64_t{1} << 32},        // wraps to 0
      {(uint64_t{1} << 42) + 1, uint64_t{1} << 22},  // wraps to 2^22
      {4194305, 4194305, 211106198978564},           // wraps to a small number
      {uint64_t{1} << 16, uint64_t{1} << 16, uint64_t{1} << 16, uint64_t{1} << 16},
  };
  for (const std::initializer_list<uint64_t>& shape : shapes) {
    RawGguf raw;
    raw.Tensor("x", shape, kF32, 0);
    raw.data_bytes = 64;
    ExpectError(raw, "GGUF_SHAPE_OVERFLOW", std::to_string(*shape.begin()));
  }
}

TEST(GgufDamage, A21SizesThatWrapAreErrors) {
  RawGguf product;  // 2^62 floats
  product.Tensor("x", {uint64_t{1} << 62}, kF32, 0);
  ExpectError(product, "GGUF_SIZE_OVERFLOW", "elements times size");
  RawGguf padding;  // 2^64 - 4 bytes, which padding takes past the end
  padding.Tensor("x", {(uint64_t{1} << 62) - 1}, kF32, 0);
  ExpectError(padding, "GGUF_SIZE_OVERFLOW", "padding");
  RawGguf sum;  // 2^63 bytes each
  sum.Tensor("x", {uint64_t{1} << 61}, kF32, 0);
  sum.Tensor("y", {uint64_t{1} << 61}, kF32, 0);
  ExpectError(sum, "GGUF_SIZE_OVERFLOW", "sum");
}

TEST(GgufDamage, A22RowsAreWholeBlocks) {
  for (const auto& [dim, type] :
       {std::pair{33u, kQ8_0}, std::pair{255u, kQ4K}, std::pair{1u, 2u}}) {
    RawGguf raw;
    raw.Tensor("x", {dim, 32}, type, 0);
    raw.data_bytes = 1 << 16;
    ExpectError(raw, "GGUF_BLOCK", std::to_string(dim));
  }
}

TEST(GgufDamage, A23TensorTypesAreKnownUnsupportedOrErrors) {
  for (const uint32_t type : {4u, 5u, 31u, 33u, 36u, 38u, 43u, 999u, ~0u}) {
    RawGguf raw;
    raw.Tensor("x", {256}, type, 0);
    raw.data_bytes = 4096;
    ExpectError(raw, "GGUF_TENSOR_TYPE", std::to_string(type));
  }
  const std::pair<uint32_t, std::string> known[] = {
      {9, "Q8_1"},    {10, "Q2_K"},    {11, "Q3_K"},  {15, "Q8_K"},   {16, "IQ2_XXS"},
      {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"},
      {22, "IQ2_S"},  {23, "IQ4_XS"},  {24, "I8"},    {25, "I16"},    {26, "I32"},
      {27, "I64"},    {28, "F64"},     {29, "IQ1_M"}, {34, "TQ1_0"},  {35, "TQ2_0"},
      {39, "MXFP4"},  {40, "NVFP4"}};
  for (const auto& [type, name] : known) {
    RawGguf raw;
    raw.Tensor("x", {256}, type, 0);
    raw.data_bytes = 4096;
    ExpectError(raw, "GGUF_TENSOR_TYPE", name, ErrorCode::kUnsupported);
    EXPECT_NE(Read(raw.Build()).error().message.find(" " + name + " "), std::string::npos);
  }
}

TEST(GgufDamage, A24TensorsLieInTheFileAndAreAligned) {
  for (const uint64_t offset : {uint64_t{1}, uint64_t{16}, uint64_t{33}, ~uint64_t{0},
                                ~uint64_t{31}, uint64_t{64}, uint64_t{1} << 40}) {
    RawGguf raw = Good();
    raw.Tensor("x", {4}, kF32, offset);
    ExpectError(raw, "GGUF_TENSOR_RANGE", std::to_string(offset));
  }
  RawGguf by_one = Good();
  by_one.data_bytes = 31;
  ExpectError(by_one, "GGUF_TENSOR_RANGE", "one byte is missing");
}

TEST(GgufDamage, A25TensorsDoNotOverlap) {
  RawGguf same = Good();
  same.Tensor("x", {8}, kF32, 0);
  ExpectError(same, "GGUF_TENSOR_OVERLAP", "the same place");
  RawGguf partial;
  partial.Tensor("a", {16}, kF32, 32);
  partial.Tensor("b", {9}, kF32, 0);
  partial.data_bytes = 96;
  ExpectError(partial, "GGUF_TENSOR_OVERLAP", "by one element");
}

TEST(GgufDamage, A26GapsAndAnyOrderAreAcceptedWithAWarning) {
  RawGguf raw;
  raw.Tensor("b", {8}, kF32, 128);
  raw.Tensor("a", {8}, kF32, 0);
  raw.data_bytes = 160;
  const Result<ModelFile> file = Read(raw.Build());
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->warnings.size(), 2u);
  EXPECT_NE(file->warnings[0].find("order"), std::string::npos);
  EXPECT_NE(file->warnings[1].find("1 gap"), std::string::npos);
}

TEST(GgufDamage, A27TensorNamesAreUniqueAndNotTooLong) {
  RawGguf twice = Good();
  twice.Tensor("t", {4}, kF32, 0);
  ExpectError(twice, "GGUF_DUP_TENSOR", "");
  RawGguf empty = Good();
  empty.Tensor("", {4}, kF32, 32);
  ExpectError(empty, "GGUF_NAME", "empty");
  for (const size_t length : {size_t{64}, size_t{kMaxTensorNameBytes}}) {
    RawGguf raw;
    raw.Tensor(std::string(length, 'n'), {8}, kF32, 0);
    raw.data_bytes = 32;
    EXPECT_TRUE(Read(raw.Build())) << length;
  }
  for (const size_t length : {size_t{kMaxTensorNameBytes} + 1, size_t{65'536}}) {
    RawGguf raw;
    raw.Tensor(std::string(length, 'n'), {8}, kF32, 0);
    raw.data_bytes = 32;
    ExpectError(raw, "GGUF_STRING", std::to_string(length));
  }
}

TEST(GgufDamage, A28CutDataIsFoundAtOpen) {
  RawGguf raw;
  raw.Tensor("x", {64, 10}, kQ8_0, 0);
  raw.data_bytes = 680;
  Bytes bytes = raw.Build();
  EXPECT_TRUE(Read(bytes));
  for (const size_t missing : {1, 34, 340}) {
    ExpectError(Bytes(bytes.begin(), bytes.end() - static_cast<std::ptrdiff_t>(missing)),
                "GGUF_TENSOR_RANGE", std::to_string(missing));
  }
}

TEST(GgufDamage, A29BytesAfterTheDataGiveAWarning) {
  RawGguf raw = Good();
  raw.data_bytes = 32 + 5;
  Result<ModelFile> file = Read(raw.Build());
  ASSERT_TRUE(file);
  ASSERT_EQ(file->warnings.size(), 1u);
  EXPECT_NE(file->warnings[0].find("5 bytes"), std::string::npos);
  raw.data_bytes = 32 + (2 << 20);
  file = Read(raw.Build());
  EXPECT_NE(file->warnings.at(0).find("more than any padding"), std::string::npos);
}

}  // namespace
}  // namespace tinyai
