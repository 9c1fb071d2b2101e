#include "text/spm_tokenizer.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "text/text_test_support.h"

namespace tinyai {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr TokenId kFirstByte = 3;
constexpr std::string_view kLlama = "llama";

TEST(SpmTokenizer, JoinsThePairWithTheBestScoreFirst) {
  TestVocabulary words = TestVocabulary::Spm();
  words.Add("a", kNormalType, -10);
  words.Add("b", kNormalType, -11);
  const TokenId c = words.Add("c", kNormalType, -12);
  const TokenId ab = words.Add("ab", kNormalType, -2);
  words.Add("bc", kNormalType, -3);
  const TokenId space = words.Add("▁", kNormalType, -20);
  EXPECT_THAT(Tokens(*words.Make(kLlama), "abc"), ElementsAre(space, ab, c));
  words.scores[static_cast<size_t>(ab)] = -4;
  EXPECT_THAT(Tokens(*words.Make(kLlama), "abc"),
              ElementsAre(space, kFirstByte + 256, kFirstByte + 260));
}

TEST(SpmTokenizer, TakesTheLeftOneOfEqualScores) {
  TestVocabulary words = TestVocabulary::Spm();
  const TokenId a = words.Add("a");
  const TokenId aa = words.Add("aa", kNormalType, -1);
  const TokenId space = words.Add("▁", kNormalType, -2);
  EXPECT_THAT(Tokens(*words.Make(kLlama), "aaa"), ElementsAre(space, aa, a));
}

TEST(SpmTokenizer, SpellsCharactersThatAreNoTokenInBytes) {
  const TestVocabulary words = TestVocabulary::Spm();
  const auto tokenizer = words.Make(kLlama);
  EXPECT_THAT(Tokens(*tokenizer, "é"),
              ElementsAre(kFirstByte + 0xE2, kFirstByte + 0x96, kFirstByte + 0x81,
                          kFirstByte + 0xC3, kFirstByte + 0xA9));
  EXPECT_EQ(tokenizer->Decode(Tokens(*tokenizer, "é\n\xFF")), "▁é\n\xFF");
}

TEST(SpmTokenizer, TakesTheUnknownTokenWhereAByteHasNone) {
  TestVocabulary words;
  const TokenId unknown = words.Add("<unk>", kUnknownType);
  words.Add("<s>", kControlType);
  words.Add("</s>", kControlType);
  const TokenId space = words.Add("▁");
  const TokenId a = words.Add("a");
  EXPECT_THAT(Tokens(*words.Make(kLlama), "aé"), ElementsAre(space, a, unknown, unknown));
}

TEST(SpmTokenizer, PutsASpaceBeforeTextAndBehindSpecialTokens) {
  TestVocabulary words = TestVocabulary::Spm();
  const TokenId space = words.Add("▁");
  const TokenId a = words.Add("a");
  const TokenId user = words.Add("[x]", kUserType);
  const auto tokenizer = words.Make(kLlama);
  EXPECT_THAT(Tokens(*tokenizer, "a"), ElementsAre(space, a));
  EXPECT_THAT(Tokens(*tokenizer, "a[x]a"), ElementsAre(space, a, user, space, a));
  GgufWriter writer = words.Writer(kLlama);
  writer.AddBool("tokenizer.ggml.add_space_prefix", false);
  EXPECT_THAT(Tokens(**TokenizerOf(writer, words.tokens.size()), "a"), ElementsAre(a));
}

TEST(SpmTokenizer, AddsBeginAndEndAsTheFileAsks) {
  const TestVocabulary words = TestVocabulary::Spm();
  EXPECT_THAT(*words.Make(kLlama)->Encode("", {}), ElementsAre(1));
  GgufWriter writer = words.Writer(kLlama);
  writer.AddBool("tokenizer.ggml.add_bos_token", false);
  writer.AddBool("tokenizer.ggml.add_eos_token", true);
  writer.AddU32("tokenizer.ggml.eos_token_id", 7);
  const auto tokenizer = TokenizerOf(writer, words.tokens.size()).value();
  EXPECT_THAT(*tokenizer->Encode("", {}), ElementsAre(7));
  EXPECT_THAT(Tokens(*tokenizer, ""), IsEmpty());
  EXPECT_TRUE(tokenizer->IsEnd(7));
  EXPECT_TRUE(tokenizer->IsEnd(2));  // "</s>" by its name
  EXPECT_FALSE(tokenizer->IsEnd(1));
}

TEST(SpmTokenizer, DropsTheSpaceItAddedWhenDecoding) {
  TestVocabulary words = TestVocabulary::Spm();
  words.Add("▁a");
  words.Add("▁");
  words.Add("a");
  const auto tokenizer = words.Make(kLlama);
  EXPECT_EQ(tokenizer->Decode(Tokens(*tokenizer, "a a")), "a a");
  EXPECT_EQ(tokenizer->Bytes(Tokens(*tokenizer, "a")[0]), " a");
  EXPECT_EQ(tokenizer->Bytes(1), "");
  EXPECT_EQ(tokenizer->Bytes(1, true), "<s>");
  EXPECT_EQ(tokenizer->Bytes(-1), "");
  EXPECT_EQ(tokenizer->Bytes(1'000'000), "");
}

// The cut into words is only a matter of speed: a token that reaches over it turns it off.
TEST(SpmTokenizer, JoinsOverSpacesWhereATokenDoes) {
  TestVocabulary words = TestVocabulary::Spm();
  const TokenId space = words.Add("▁", kNormalType, -9);
  words.Add("a", kNormalType, -9);
  words.Add("a▁", kNormalType, -2);
  const TokenId over = words.Add("a▁a", kNormalType, -1);
  EXPECT_THAT(Tokens(*words.Make(kLlama), "a a"), ElementsAre(space, over));
}

TEST(SpmTokenizer, KeepsTogetherWhatADamagedCharacterSwallows) {
  TestVocabulary words = TestVocabulary::Spm();
  words.Add("▁", kNormalType, -9);
  // 0xFF announces four bytes, so the space behind it is no "▁" any more.
  EXPECT_THAT(Tokens(*words.Make(kLlama), "\xFF "),
              ElementsAre(kFirstByte + 256, kFirstByte + 0xFF, kFirstByte + 0xE2, kFirstByte + 0x96,
                          kFirstByte + 0x81));
}

}  // namespace
}  // namespace tinyai
