#include "text/pattern_splitter.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "text/pre_tokenizer.h"

namespace tinyai {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> Words(const PatternSplitter& splitter, std::string_view text) {
  std::vector<std::string> words;
  uint32_t begin = 0;
  const std::vector<uint32_t> ends = splitter.Split(text).value();
  for (const uint32_t end : ends) {
    words.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  EXPECT_EQ(begin, text.size());
  return words;
}

std::vector<std::string> WordsBy(std::vector<std::string_view> patterns, std::string_view text) {
  return Words(PatternSplitter::Compile(patterns).value(), text);
}

std::vector<std::string> WordsOf(std::string_view pre, std::string_view text) {
  return Words(PatternSplitter::Compile(FindPreTokenizer(pre)->patterns).value(), text);
}

TEST(PatternSplitter, KeepsMatchesAndWhatLiesBetween) {
  EXPECT_THAT(WordsBy({"b+"}, "abbc"), ElementsAre("a", "bb", "c"));
  EXPECT_THAT(WordsBy({"b+"}, "acc"), ElementsAre("acc"));
  EXPECT_THAT(WordsBy({"b+"}, ""), IsEmpty());
  EXPECT_THAT(WordsBy({}, "abc"), ElementsAre("abc"));
}

TEST(PatternSplitter, LetsLaterPatternsSeeOnlyTheirPiece) {
  EXPECT_THAT(WordsBy({"x", "a(?!x)", "b$"}, "aaxbb"), ElementsAre("a", "a", "x", "b", "b"));
}

TEST(PatternSplitter, CountsUnicodeWhiteSpaceAndNoMore) {
  EXPECT_THAT(WordsBy({R"(\s+)"}, "a\u00A0\u2003\u3000b\u200Bc\u180Ed\u0085"),
              ElementsAre("a", "\u00A0\u2003\u3000", "b\u200Bc\u180Ed", "\u0085"));
  EXPECT_THAT(WordsBy({R"([^\s]+)"}, "a\u1680b"), ElementsAre("a", "\u1680", "b"));
  EXPECT_THAT(WordsBy({R"(\s(?!\S))"}, "  a"), ElementsAre(" ", " a"));
}

TEST(PatternSplitter, StopsAPatternThatRunsAway) {
  const std::string_view runaway[] = {"(a+)+$"};
  const auto splitter = PatternSplitter::Compile(runaway).value();
  EXPECT_TRUE(splitter.Split("aaaaaaaa"));
  const auto result = splitter.Split(std::string(40, 'a') + "!");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().key, "TOKENIZER_REGEX");
}

TEST(PatternSplitter, RefusesWhatIsNoPattern) {
  for (const std::string_view pattern : {"(", "[", "*", "\\p{Nonsense}", "\\C"}) {
    const auto splitter = PatternSplitter::Compile({&pattern, 1});
    ASSERT_FALSE(splitter) << pattern;
    EXPECT_EQ(splitter.error().key, "TOKENIZER_REGEX");
  }
}

TEST(PreTokenizer, CutsAsGpt2Does) {
  EXPECT_THAT(WordsOf("gpt-2", "I'm here  now, 12345!\n\n x"),
              ElementsAre("I", "'m", " here", " ", " now", ",", " 12345", "!", "\n\n", " x"));
  EXPECT_THAT(WordsOf("gpt-2", "I'M  "), ElementsAre("I", "'", "M", "  "));
}

TEST(PreTokenizer, CutsAsLlama3Does) {
  EXPECT_THAT(
      WordsOf("llama-bpe", "I'M (here) 12345!\n\n  x\n "),
      ElementsAre("I", "'M", " (", "here", ")", " ", "123", "45", "!\n\n", " ", " x", "\n", " "));
}

TEST(PreTokenizer, CutsAsQwen2Does) {
  EXPECT_THAT(WordsOf("qwen2", "a 12 b\r\n"), ElementsAre("a", " ", "1", "2", " b", "\r\n"));
}

TEST(PreTokenizer, CutsAsTekkenDoes) {
  EXPECT_THAT(WordsOf("tekken", "XMLHttpRequest aB 12"),
              ElementsAre("XMLHttp", "Request", " a", "B", " ", "1", "2"));
}

TEST(PreTokenizer, EveryOneItNamesCompilesAndIsFound) {
  std::string names = PreTokenizerNames() + ", ";
  size_t count = 0;
  for (size_t comma; (comma = names.find(", ")) != std::string::npos; ++count) {
    const PreTokenizer* const pre = FindPreTokenizer(names.substr(0, comma));
    ASSERT_NE(pre, nullptr) << names.substr(0, comma);
    EXPECT_TRUE(PatternSplitter::Compile(pre->patterns)) << pre->name;
    names.erase(0, comma + 2);
  }
  EXPECT_GT(count, 50u);
  EXPECT_EQ(FindPreTokenizer("no such"), nullptr);
}

}  // namespace
}  // namespace tinyai
