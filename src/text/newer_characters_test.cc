#include "text/newer_characters.h"

#include "gtest/gtest.h"
#include "text/text_test_support.h"

namespace tinyai {
namespace {

TEST(NewerCharacters, AreReplacedByOnesOfTheSameKindAndSize) {
  EXPECT_EQ(WithOlderCharacters("a\u4E2D\U0001F600\u0905"), std::nullopt);
  EXPECT_EQ(WithOlderCharacters(""), std::nullopt);
  EXPECT_EQ(WithOlderCharacters("a\U0002EBF0b"), "a\U00010000b");
  EXPECT_EQ(WithOlderCharacters("\u0CF3\U0001E4F9\u31EF"), "\u0901\U000104A0\u2605");
  EXPECT_EQ(WithOlderCharacters("\U0002EE5E\U0002EBEF"), std::nullopt);  // just outside
}

// As llama.cpp cuts: a new letter goes with letters, a new digit alone in qwen2's pattern.
TEST(NewerCharacters, AreCutAsTheirKindIs) {
  TestVocabulary words = TestVocabulary::Bpe();
  std::string letter;
  AppendSpelled("\U0002EBF0", letter);
  words.Add("x" + letter);
  words.merges = {"\u00F0 \u00AE", "\u00F0\u00AE \u00AF", "\u00F0\u00AE\u00AF \u00B0",
                  "x " + letter};
  words.Add("\u00F0\u00AE");
  words.Add("\u00F0\u00AE\u00AF");
  words.Add(letter);
  const auto tokenizer = words.Make("gpt2", "qwen2");
  EXPECT_EQ(Tokens(*tokenizer, "x\U0002EBF0").size(), 1u);
  EXPECT_EQ(tokenizer->Decode(Tokens(*tokenizer, "x\U0002EBF0")), "x\U0002EBF0");
}

}  // namespace
}  // namespace tinyai
