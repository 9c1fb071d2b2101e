#include <cmath>

#include "format/gguf_test_support.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

class MetadataTest : public testing::Test {
 protected:
  MetadataTest() : bytes_(SmallGguf()), file_(Read(bytes_)) {}
  const Metadata& metadata() const { return file_->metadata; }

  Bytes bytes_;
  Result<ModelFile> file_;
};

template <typename T>
std::string_view KeyOf(const Result<T>& result) {
  return result ? std::string_view() : result.error().key;
}

TEST_F(MetadataTest, IntegersOfEveryWidthAreReadIfTheyFit) {
  EXPECT_EQ(metadata().OptionalUint("k.u8").value(), 200u);
  EXPECT_EQ(metadata().OptionalUint("k.u16").value(), 60'000u);
  EXPECT_EQ(metadata().OptionalUint("k.u32").value(), 4'000'000'000u);
  EXPECT_EQ(metadata().OptionalUint("k.u64").value(), 9'223'372'036'854'775'808u);
  EXPECT_EQ(metadata().OptionalUint("none").value(), std::nullopt);
  for (const char* negative : {"k.i8", "k.i16", "k.i32", "k.i64"}) {
    EXPECT_EQ(KeyOf(metadata().OptionalUint(negative)), "MODEL_HPARAM") << negative;
  }
}

TEST_F(MetadataTest, AValueOfAnotherTypeIsAnErrorThatNamesKeyAndTypes) {
  for (const char* key : {"k.f32", "k.bool", "general.architecture", "k.ints"}) {
    const auto value = metadata().OptionalUint(key);
    ASSERT_EQ(KeyOf(value), "MODEL_HPARAM") << key;
    EXPECT_NE(value.error().message.find(key), std::string::npos);
    EXPECT_TRUE(value.error().offset.has_value());
  }
  EXPECT_EQ(KeyOf(metadata().OptionalFloat("k.u32")), "MODEL_HPARAM");
  EXPECT_EQ(KeyOf(metadata().OptionalBool("k.u8")), "MODEL_HPARAM");
  EXPECT_EQ(KeyOf(metadata().OptionalString("k.u8")), "MODEL_HPARAM");
  EXPECT_EQ(KeyOf(metadata().OptionalString("tokenizer.ggml.tokens")), "MODEL_HPARAM");
}

TEST_F(MetadataTest, FloatsBoolsAndStringsAreReadAsTheyAre) {
  EXPECT_EQ(metadata().OptionalFloat("k.f32").value(), 1.5);
  EXPECT_EQ(metadata().OptionalFloat("k.f64").value(), 0.1);
  EXPECT_EQ(metadata().OptionalBool("k.bool").value(), true);
  EXPECT_EQ(metadata().OptionalString("general.architecture").value(), "llama");
  EXPECT_EQ(metadata().OptionalString("none").value(), std::nullopt);
}

TEST_F(MetadataTest, ArraysOfNumbersAcceptScalarsAndRefuseOtherItems) {
  EXPECT_EQ(metadata().OptionalInts("k.ints").value(), (std::vector<int64_t>{4, -1, 2}));
  EXPECT_EQ(metadata().OptionalInts("k.i64").value(), (std::vector<int64_t>{-(int64_t{1} << 40)}));
  EXPECT_EQ(metadata().OptionalFloats("tokenizer.ggml.scores").value(),
            (std::vector<float>{0, -1, -2.5f, 3}));
  EXPECT_EQ(metadata().OptionalFloats("k.f64").value(), (std::vector<float>{0.1f}));
  EXPECT_EQ(KeyOf(metadata().OptionalInts("k.u64")), "MODEL_HPARAM") << "2^63 is too large";
  EXPECT_EQ(KeyOf(metadata().OptionalInts("k.f32")), "MODEL_HPARAM");
}

// A14: the reader wants other items than the file has.
TEST_F(MetadataTest, AnArrayWithItemsOfAnotherTypeIsAnArrayTypeError) {
  EXPECT_EQ(KeyOf(metadata().OptionalFloats("k.bools")), "GGUF_ARRAY_TYPE");
  EXPECT_EQ(KeyOf(metadata().OptionalFloats("k.ints")), "GGUF_ARRAY_TYPE");
  EXPECT_EQ(KeyOf(metadata().OptionalInts("tokenizer.ggml.scores")), "GGUF_ARRAY_TYPE");
  const auto ignore = [](uint64_t, std::string_view) { return Status(); };
  for (const char* key : {"k.ints", "general.architecture", "none"}) {
    EXPECT_EQ(KeyOf(metadata().VisitStrings(key, ignore)), "GGUF_ARRAY_TYPE") << key;
  }
}

TEST_F(MetadataTest, StringsAreVisitedInOrderAndMayHoldAnyBytes) {
  std::vector<std::string> tokens;
  const Status status = metadata().VisitStrings("tokenizer.ggml.tokens",
                                                [&](uint64_t i, std::string_view token) -> Status {
                                                  EXPECT_EQ(i, tokens.size());
                                                  tokens.emplace_back(token);
                                                  return {};
                                                });
  EXPECT_TRUE(status);
  EXPECT_EQ(tokens, (std::vector<std::string>{"a", "", "\xFF\x1B", "long token"}));
}

TEST_F(MetadataTest, AVisitorsErrorEndsTheVisit) {
  uint64_t visits = 0;
  const Status status =
      metadata().VisitStrings("tokenizer.ggml.tokens", [&](uint64_t, std::string_view) -> Status {
        ++visits;
        return Fail(ErrorCode::kBadFile, "MODEL_VOCAB", "enough");
      });
  EXPECT_EQ(KeyOf(status), "MODEL_VOCAB");
  EXPECT_EQ(visits, 1u);
}

TEST_F(MetadataTest, DroppingTokenizerArraysFreesThemAndKeepsTheRest) {
  Metadata moved = std::move(file_->metadata);  // spans and index survive a move
  const uint64_t before = moved.memory_bytes();
  moved.DropTokenizerArrays();
  EXPECT_LT(moved.memory_bytes(), before);
  ASSERT_TRUE(moved.Has("tokenizer.ggml.tokens"));
  EXPECT_EQ(moved.Find("tokenizer.ggml.tokens")->count, 0u);
  EXPECT_TRUE(moved.Find("tokenizer.ggml.scores")->bytes.empty());
  EXPECT_EQ(moved.OptionalFloats("tokenizer.ggml.scores").value(), std::vector<float>());
  EXPECT_EQ(moved.OptionalString("general.architecture").value(), "llama");
  EXPECT_EQ(moved.OptionalInts("k.ints").value(), (std::vector<int64_t>{4, -1, 2}));
  moved.DropTokenizerArrays();  // a second time does nothing
}

TEST_F(MetadataTest, EntriesKeepTheOrderTypesAndOffsetsOfTheFile) {
  ASSERT_EQ(metadata().entries().size(), 16u);
  EXPECT_EQ(metadata().entries()[0].key, "general.architecture");
  EXPECT_EQ(metadata().entries()[15].key, "k.bools");
  // magic, version, two counts, key length, key, type: then the value.
  EXPECT_EQ(metadata().entries()[0].value.offset, 4u + 4 + 16 + 8 + 20 + 4);
  EXPECT_EQ(metadata().Find("k.bools")->type, MetaType::kBool);
  EXPECT_TRUE(metadata().Find("k.bools")->is_array);
  EXPECT_EQ(metadata().Find("k.bools")->count, 3u);
}

}  // namespace
}  // namespace tinyai
