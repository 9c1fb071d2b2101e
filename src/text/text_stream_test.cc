#include <random>

#include "base/escape.h"
#include "gtest/gtest.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace tinyai {
namespace {

TEST(TextStream, HoldsBackACharacterUntilItIsComplete) {
  TextStream stream;
  EXPECT_EQ(stream.Push("a\xF0"), "a");
  EXPECT_EQ(stream.Push("\x9F\x98"), "");
  EXPECT_EQ(stream.Push("\x80"
                        "b"),
            "😀b");
  EXPECT_EQ(stream.Finish(), "");
}

TEST(TextStream, ReplacesWhatCannotBecomeACharacter) {
  TextStream stream;
  EXPECT_EQ(stream.Push("\xFF"), "\uFFFD");
  EXPECT_EQ(stream.Push("\xC0"), "\uFFFD");
  EXPECT_EQ(stream.Push("\xE2\x82"), "");
  EXPECT_EQ(stream.Push("x"), "\uFFFD\uFFFDx");
  EXPECT_EQ(stream.Push("\xED\xA0"), "\uFFFD\uFFFD");  // half of a surrogate
  EXPECT_EQ(stream.Push("\xF4\x90"), "\uFFFD\uFFFD");  // past U+10FFFF
  EXPECT_EQ(stream.Push("\xE0"), "");
  EXPECT_EQ(stream.Finish(), "\uFFFD");
  EXPECT_EQ(stream.Finish(), "");
}

TEST(TextStream, GivesTheSameTextHoweverTheBytesAreCut) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 5000; ++round) {
    std::string bytes;
    for (uint64_t i = random() % 12; i > 0; --i) {
      static constexpr std::string_view kParts[] = {"a",    "é",    "中",   "😀",        "\xE2",
                                                    "\x82", "\xF0", "\xED", "\xF4\x8F", "\x9F"};
      bytes += kParts[random() % 10];
    }
    TextStream stream;
    std::string text;
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = 1 + random() % 3;
      const std::string shown = stream.Push(std::string_view(bytes).substr(at, size));
      EXPECT_TRUE(IsUtf8(shown));
      text += shown;
      at += size;
    }
    text += stream.Finish();
    EXPECT_EQ(text, ToValidUtf8(bytes)) << EscapeControl(bytes);
  }
}

TEST(Utf8, WritesAndReadsEveryCodePoint) {
  for (uint32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    if (code_point >= 0xD800 && code_point <= 0xDFFF) continue;
    std::string text;
    AppendUtf8(code_point, text);
    ASSERT_EQ(Utf8SequenceLength(text), text.size()) << code_point;
    ASSERT_EQ(DecodeUtf8(text), code_point);
    for (size_t size = 1; size < text.size(); ++size) {
      ASSERT_TRUE(IsUnfinishedUtf8(std::string_view(text).substr(0, size))) << code_point;
    }
    ASSERT_FALSE(IsUnfinishedUtf8(text));
  }
}

TEST(Utf8, ReadsDamagedTextAsLlamaCppDoes) {
  EXPECT_EQ(ToBpeText("a\xFFz"), "a\uFFFDz");
  EXPECT_EQ(ToBpeText("\xC1\xBF\xE0\x80\xAF"), "\x7F/");  // overlong
  EXPECT_EQ(ToBpeText("\xE2\x82"), "\uFFFD\uFFFD");       // cut off
  EXPECT_EQ(ToBpeText("\xF7\xBF\xBF\xBF"), "\uFFFD");     // past U+10FFFF
}

}  // namespace
}  // namespace tinyai
