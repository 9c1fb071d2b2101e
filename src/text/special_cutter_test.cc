#include "text/special_cutter.h"

#include <string>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Special {
  std::string spelling;
  uint8_t traits;
};

// The fragments of `text` as strings: a token as "#id".
std::vector<std::string> Cut(const std::vector<Special>& tokens, std::string_view text,
                             bool parse_special = true) {
  Vocabulary vocabulary;
  uint64_t bytes = 0;
  for (const Special& token : tokens) bytes += token.spelling.size();
  EXPECT_TRUE(vocabulary.Reserve(tokens.size(), bytes, false));
  for (const Special& token : tokens) {
    EXPECT_TRUE(vocabulary.Add(token.spelling, token.traits, 0));
  }
  std::vector<std::string> out;
  for (const Fragment& fragment : SpecialCutter(vocabulary).Cut(vocabulary, text, parse_special)) {
    out.push_back(fragment.token < 0 ? std::string(fragment.text)
                                     : fmt::format("#{}", fragment.token));
  }
  return out;
}

TEST(SpecialCutter, CutsTokensOutAndKeepsWhatLiesBetween) {
  const std::vector<Special> tokens = {{"<s>", kTokenControl}, {"x", kTokenNormal}};
  EXPECT_THAT(Cut(tokens, ""), IsEmpty());
  EXPECT_THAT(Cut(tokens, "x"), ElementsAre("x"));
  EXPECT_THAT(Cut(tokens, "<s>"), ElementsAre("#0"));
  EXPECT_THAT(Cut(tokens, "a<s><s>b<s"), ElementsAre("a", "#0", "#0", "b<s"));
}

TEST(SpecialCutter, TakesLongerTokensFirstWhereverTheyStand) {
  const std::vector<Special> tokens = {{"abc", kTokenControl}, {"bcde", kTokenControl}};
  EXPECT_THAT(Cut(tokens, "abcde"), ElementsAre("a", "#1"));
  EXPECT_THAT(Cut(tokens, "abcd"), ElementsAre("#0", "d"));
}

TEST(SpecialCutter, TakesTheLeftOneOfATokenThatOverlapsItself) {
  EXPECT_THAT(Cut({{"aa", kTokenControl}}, "aaaaa"), ElementsAre("#0", "#0", "a"));
}

TEST(SpecialCutter, TakesTheLongestOfTokensThatBeginAlike) {
  const std::vector<Special> tokens = {
      {"<", kTokenControl}, {"<s", kTokenControl}, {"<s>", kTokenControl}};
  EXPECT_THAT(Cut(tokens, "<s><s<"), ElementsAre("#2", "#1", "#0"));
}

TEST(SpecialCutter, CutsOnlyUserDefinedTokensUnlessAsked) {
  const std::vector<Special> tokens = {{"<s>", kTokenControl},
                                       {"[u]", kTokenUserDefined},
                                       {"<unk>", kTokenUnknown},
                                       {"[c]", kTokenUserDefined | kTokenControl}};
  EXPECT_THAT(Cut(tokens, "<s>[u]<unk>[c]", false), ElementsAre("<s>", "#1", "<unk>[c]"));
  EXPECT_THAT(Cut(tokens, "<s>[u]<unk>[c]", true), ElementsAre("#0", "#1", "#2", "#3"));
}

TEST(SpecialCutter, StripsWhiteSpaceWhereTheTokenAsks) {
  const std::vector<Special> tokens = {{"<l>", kTokenControl | kTokenStripLeft},
                                       {"<r>", kTokenControl | kTokenStripRight}};
  EXPECT_THAT(Cut(tokens, "a \n<l> b"), ElementsAre("a", "#0", " b"));
  EXPECT_THAT(Cut(tokens, "a <r> \tb"), ElementsAre("a ", "#1", "b"));
  EXPECT_THAT(Cut(tokens, "<r> <l>"), ElementsAre("#1", "#0"));
  EXPECT_THAT(Cut(tokens, "  <l>"), ElementsAre("#0"));
}

TEST(SpecialCutter, DoesNotLookForTokensOfHugeLength) {
  const std::string longest(SpecialCutter::kMaxSpelling, 'x');
  EXPECT_THAT(Cut({{longest, kTokenControl}}, longest + "a"), ElementsAre("#0", "a"));
  EXPECT_THAT(Cut({{longest + "x", kTokenControl}}, longest + "x"), ElementsAre(longest + "x"));
}

}  // namespace
}  // namespace tinyai
