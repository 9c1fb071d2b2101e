#include "base/escape.h"

#include "gtest/gtest.h"

namespace tinyai {
namespace {

using namespace std::string_literals;

// The UTF-8 form of a code point, by the definition.
std::string Encode(uint32_t code) {
  const auto byte = [](uint32_t value) { return static_cast<char>(value); };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xC0 | code >> 6), byte(0x80 | (code & 0x3F))};
  if (code < 0x10000) {
    return {byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F))};
  }
  return {byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 0x3F)),
          byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F))};
}

TEST(Escape, KnowsEveryCodePoint) {
  for (uint32_t code = 0; code < 0x200000; ++code) {
    const std::string text = Encode(code);
    const bool valid = code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
    ASSERT_EQ(IsUtf8(text), valid) << code;
    ASSERT_EQ(Utf8SequenceLength(text + "a"), valid ? text.size() : 0) << code;
    ASSERT_EQ(IsUtf8(std::string_view(text).substr(0, text.size() - 1)), text.size() == 1) << code;
  }
}

TEST(Escape, RefusesEveryMalformedSequence) {
  for (const char* text :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF", "\xC3", "\xC3(",
        "\xE2\x82", "\xE2(\xA1", "\xF5\x80\x80\x80", "\xFE", "\xFF", "ok\xFFok",
        "\xF8\x88\x80\x80\x80"}) {
    EXPECT_FALSE(IsUtf8(text)) << EscapeControl(text);
  }
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_EQ(Utf8SequenceLength(""), 0u);
}

TEST(Escape, MakesControlBytesVisible) {
  EXPECT_EQ(EscapeControl("\x1B[2J\n\t\x7F\0x"s), "\\x1B[2J\\x0A\\x09\\x7F\\x00x");
  EXPECT_EQ(EscapeControl("Gr\xC3\xBC\xC3\x9F, \xE4\xBD\xA0 \xF0\x9F\x90\x88"),
            "Gr\xC3\xBC\xC3\x9F, \xE4\xBD\xA0 \xF0\x9F\x90\x88");
  EXPECT_EQ(EscapeControl("\xC2\x9B"
                          "2J"),
            "\\xC2\\x9B"
            "2J")
      << "a control of one code point";
  EXPECT_EQ(EscapeControl("a\xFF\xC3"), "a\\xFF\\xC3");
}

TEST(Escape, LeavesNothingUnsafeOfAnyPairOfBytes) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second)};
      const std::string escaped = EscapeControl(text);
      ASSERT_TRUE(IsUtf8(escaped));
      for (const char c : escaped) {
        ASSERT_TRUE(static_cast<uint8_t>(c) >= 0x20 && c != 0x7F) << first << ' ' << second;
      }
      ASSERT_TRUE(IsUtf8(ToValidUtf8(text)));
      ASSERT_EQ(ToValidUtf8(text) == text, IsUtf8(text));
    }
  }
}

TEST(Escape, ReplacesInvalidBytes) {
  EXPECT_EQ(ToValidUtf8("a\xFF"
                        "b\xE2\x82"),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\xEF\xBF\xBD");
}

}  // namespace
}  // namespace tinyai
