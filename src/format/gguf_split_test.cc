// Split files: row A30 of the catalogue of faults.

#include "fmt/format.h"
#include "format/gguf_test_support.h"
#include "format/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

using testing::HasSubstr;

Result<ModelFile> ReadFrom(const Files& files, const std::string& path) {
  std::vector<std::unique_ptr<ByteSource>> parts;
  return ReadGguf(std::make_unique<MemorySource>(path, files.at(path)), OpenFrom(files), parts);
}

// Part `no` of `count`, with one tensor named after it.
Bytes SplitPart(uint16_t no, uint16_t count, int32_t tensors, std::string_view name = "m") {
  RawGguf raw;
  raw.Number("split.no", MetaType::kU16, no);
  raw.Number("split.count", MetaType::kU16, count);
  raw.Number("split.tensors.count", MetaType::kI32, tensors);
  Bytes text;
  PutString(text, name);
  raw.Key("general.name", static_cast<uint32_t>(MetaType::kString), text);
  raw.Tensor(fmt::format("t{}", no), {8}, 0, 0);
  raw.data_bytes = 32;
  return raw.Build();
}

Files ThreeParts() {
  Files files;
  for (uint16_t no = 0; no < 3; ++no) {
    files[fmt::format("dir/m-{:05}-of-00003.gguf", no + 1)] = SplitPart(no, 3, 3);
  }
  return files;
}

constexpr const char* kFirst = "dir/m-00001-of-00003.gguf";
constexpr const char* kSecond = "dir/m-00002-of-00003.gguf";

void ExpectSplitError(const Files& files, const std::string& path, const std::string& text) {
  const Result<ModelFile> file = ReadFrom(files, path);
  ASSERT_EQ(KeyOf(file), "MODEL_SPLIT");
  EXPECT_EQ(file.error().code, ErrorCode::kBadFile);
  EXPECT_THAT(Describe(file.error()), HasSubstr(text));
}

TEST(GgufSplit, ReadsAllPartsFromTheFirst) {
  const Files files = ThreeParts();
  const Result<ModelFile> file = ReadFrom(files, kFirst);
  ASSERT_TRUE(file) << Describe(file.error());
  ASSERT_EQ(file->parts.size(), 3u);
  EXPECT_EQ(file->parts[2], "dir/m-00003-of-00003.gguf");
  ASSERT_EQ(file->tensors.size(), 3u);
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(file->FindTensor(fmt::format("t{}", i))->part, i);
    EXPECT_EQ(file->part_sizes[i], files.at(file->parts[i]).size());
  }
  EXPECT_EQ(FindContradiction(*file), "");
}

TEST(GgufSplit, A30AMissingPartIsNamed) {
  Files files = ThreeParts();
  files.erase(kSecond);
  ExpectSplitError(files, kFirst, "part 2 of 3");
  ExpectSplitError(files, kFirst, kSecond);
}

TEST(GgufSplit, A30PartsOfTwoModelsAreRefused) {
  Files files = ThreeParts();
  files[kSecond] = SplitPart(1, 4, 3);
  ExpectSplitError(files, kFirst, "part 2 of 3");
  files[kSecond] = SplitPart(2, 3, 3);
  ExpectSplitError(files, kFirst, "part 3 of 3");
  files[kSecond] = SplitPart(1, 3, 5);
  ExpectSplitError(files, kFirst, "two models");
  files[kSecond] = SplitPart(1, 3, 3, "another");
  ExpectSplitError(files, kFirst, "general.name");
}

TEST(GgufSplit, A30TheNumberOfTensorsMustBeRight) {
  Files files;
  for (uint16_t no = 0; no < 3; ++no) {
    files[fmt::format("dir/m-{:05}-of-00003.gguf", no + 1)] = SplitPart(no, 3, 4);
  }
  ExpectSplitError(files, kFirst, "3 tensors, split.tensors.count is 4");
}

TEST(GgufSplit, A30ATensorInTwoPartsIsADuplicate) {
  Files files = ThreeParts();
  RawGguf raw;
  raw.Number<uint16_t>("split.no", MetaType::kU16, 1);
  raw.Number<uint16_t>("split.count", MetaType::kU16, 3);
  raw.Number<int32_t>("split.tensors.count", MetaType::kI32, 3);
  raw.Tensor("t0", {8}, 0, 0);
  raw.data_bytes = 32;
  files[kSecond] = raw.Build();
  EXPECT_EQ(KeyOf(ReadFrom(files, kFirst)), "GGUF_DUP_TENSOR");
}

TEST(GgufSplit, A30OnlyNamesOfThePatternAreOpened) {
  for (const std::string path : {"m.gguf", "m-00001-of-00002.gguf", "m-1-of-3.gguf",
                                 "m-00002-of-00003.gguf", "m-00001-of-00003.gguf.bak"}) {
    Files files = ThreeParts();
    files[path] = SplitPart(0, 3, 3);
    ExpectSplitError(files, path, "-00001-of-00003.gguf");
  }
  const Files files = ThreeParts();  // a later part asks for the first
  ExpectSplitError(files, kSecond, "open the first part, dir/m-00001-of-00003.gguf");
}

TEST(GgufSplit, A30MorePartsThanTheCapAreRefused) {
  for (const uint32_t count : {uint32_t{kMaxSplitParts} + 1, 65'536u, ~0u}) {
    RawGguf raw;
    raw.Number("split.count", MetaType::kU32, count);
    const std::string path = fmt::format("m-00001-of-{:05}.gguf", count);
    ExpectSplitError({{path, raw.Build()}}, path, "the most is 512");
  }
  RawGguf raw;  // at the cap the first missing part is the error
  raw.Number("split.count", MetaType::kU32, static_cast<uint32_t>(kMaxSplitParts));
  ExpectSplitError({{"m-00001-of-00512.gguf", raw.Build()}}, "m-00001-of-00512.gguf",
                   "part 2 of 512");
}

TEST(GgufSplit, ADamagedPartIsReportedWithItsPath) {
  Files files = ThreeParts();
  files[kSecond].resize(30);
  const Result<ModelFile> file = ReadFrom(files, kFirst);
  ASSERT_EQ(KeyOf(file), "GGUF_TRUNCATED");
  EXPECT_EQ(file.error().file, kSecond);
}

TEST(GgufSplit, SplitKeysOfAnotherTypeAreSplitErrors) {
  RawGguf raw;
  raw.Number("split.count", MetaType::kF32, 3.0f);
  ExpectSplitError({{"m.gguf", raw.Build()}}, "m.gguf", "split.count");
}

}  // namespace
}  // namespace tinyai
