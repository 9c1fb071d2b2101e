#include "text/bpe_tokenizer.h"

#include <random>

#include "base/escape.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "text/text_test_support.h"

namespace tinyai {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view kGpt2 = "gpt2";

TEST(BpeTokenizer, MergesTheEarliestPairFirst) {
  TestVocabulary words = TestVocabulary::Bpe();
  const TokenId bc = words.AddMerge("b", "c");
  const TokenId ab = words.AddMerge("a", "b");
  const TokenId abc = words.AddMerge("ab", "c");
  const auto tokenizer = words.Make(kGpt2, "gpt-2");
  EXPECT_THAT(Tokens(*tokenizer, "abc"), ElementsAre('a', bc));
  EXPECT_THAT(Tokens(*tokenizer, "abab"), ElementsAre(ab, ab));
  EXPECT_EQ(tokenizer->Bytes(abc), "abc");
}

TEST(BpeTokenizer, TakesTheLeftOneOfEqualPairs) {
  TestVocabulary words = TestVocabulary::Bpe();
  const TokenId aa = words.AddMerge("a", "a");
  const TokenId aaaa = words.AddMerge("aa", "aa");
  const auto tokenizer = words.Make(kGpt2, "gpt-2");
  EXPECT_THAT(Tokens(*tokenizer, "aaa"), ElementsAre(aa, 'a'));
  EXPECT_THAT(Tokens(*tokenizer, "aaaaaaa"), ElementsAre(aaaa, aa, 'a'));
}

TEST(BpeTokenizer, DoesNotMergeAcrossWords) {
  TestVocabulary words = TestVocabulary::Bpe();
  words.AddMerge("a", "Ġ");
  const TokenId space_a = words.AddMerge("Ġ", "a");
  EXPECT_THAT(Tokens(*words.Make(kGpt2, "gpt-2"), "a a"), ElementsAre('a', space_a));
}

TEST(BpeTokenizer, IgnoresMergesForWholeWordsOnlyWhereTheFamilyDoes) {
  TestVocabulary words = TestVocabulary::Bpe();
  const TokenId ab = words.AddMerge("a", "b");
  const TokenId abc = words.Add("abc");  // no merge leads to it
  words.Add("<s>", kControlType);
  GgufWriter writer = words.Writer(kGpt2, "llama-bpe");
  writer.AddU32("tokenizer.ggml.bos_token_id", 258);
  EXPECT_THAT(Tokens(**TokenizerOf(writer, words.tokens.size()), "abc"), ElementsAre(abc));
  EXPECT_THAT(Tokens(*words.Make(kGpt2, "gpt-2"), "abc"), ElementsAre(ab, 'c'));
}

TEST(BpeTokenizer, CutsSpecialTokensOutOnDemandAndUserDefinedOnesAlways) {
  TestVocabulary words = TestVocabulary::Bpe();
  const TokenId control = words.Add("<|x|>", kControlType);
  const TokenId user = words.Add("[u]", kUserType);
  const auto tokenizer = words.Make(kGpt2, "gpt-2");
  EXPECT_THAT(Tokens(*tokenizer, "a<|x|>[u]", true), ElementsAre('a', control, user));
  EXPECT_THAT(Tokens(*tokenizer, "<|x|>[u]"), ElementsAre('<', '|', 'x', '|', '>', user));
  EXPECT_EQ(tokenizer->Bytes(control), "");
  EXPECT_EQ(tokenizer->Bytes(control, true), "<|x|>");
  EXPECT_EQ(tokenizer->Bytes(user), "[u]");
  EXPECT_TRUE(tokenizer->IsControl(control));
  EXPECT_FALSE(tokenizer->IsControl(user));
}

TEST(BpeTokenizer, ReadsDamagedUtf8AsReplacementCharacters) {
  const auto tokenizer = TestVocabulary::Bpe().Make(kGpt2, "gpt-2");
  EXPECT_EQ(tokenizer->Decode(Tokens(*tokenizer,
                                     "a\xFF"
                                     "b\xE2\x82")),
            "a\uFFFD"
            "b\uFFFD\uFFFD");
  EXPECT_EQ(tokenizer->Decode(Tokens(*tokenizer, "\xC0\x80\xED\xA0\x80")),
            std::string_view("\0\uFFFD", 4));
}

TEST(BpeTokenizer, LosesBytesWithoutATokenAndSaysSo) {
  TestVocabulary words = TestVocabulary::Bpe();
  words.tokens['b'] = "other";
  words.merges.push_back("a c");
  words.Add("ac");
  const auto tokenizer = words.Make(kGpt2, "gpt-2");
  EXPECT_THAT(Tokens(*tokenizer, "abc"), ElementsAre('a', 'c'));
  ASSERT_EQ(tokenizer->warnings().size(), 1u);
  EXPECT_THAT(tokenizer->warnings()[0], testing::HasSubstr("1 byte values"));
}

TEST(BpeTokenizer, GivesEveryTextBack) {
  TestVocabulary words = TestVocabulary::Bpe();
  words.AddMerge("Ġ", "a");
  words.AddMerge("e", "r");
  words.AddMerge("Ġa", "er");
  words.AddMerge("Ã", "©");
  std::mt19937_64 random(7);
  for (const std::string_view pre : {"default", "gpt-2", "llama3", "qwen2", "tekken", "gpt-4o",
                                     "deepseek-llm", "deepseek-v3", "falcon", "bloom"}) {
    GgufWriter writer = words.Writer(kGpt2, pre);
    writer.AddU32("tokenizer.ggml.bos_token_id", 0);
    const auto made = TokenizerOf(writer, words.tokens.size());
    ASSERT_TRUE(made) << Describe(made.error());
    const auto& tokenizer = *made;
    for (int round = 0; round < 300; ++round) {
      std::string text;
      for (uint64_t i = random() % 60; i > 0; --i) {
        const uint32_t limits[] = {0x80, 0x80, 0x100, 0x3100, 0xD800, 0x20000};
        const uint32_t code_point = static_cast<uint32_t>(random() % limits[random() % 6]);
        AppendUtf8(code_point >= 0xD800 && code_point < 0xE000 ? ' ' : code_point, text);
      }
      EXPECT_EQ(tokenizer->Decode(Tokens(*tokenizer, text)), text)
          << pre << ": " << EscapeControl(text);
    }
  }
}

}  // namespace
}  // namespace tinyai
