#include "text/unigram_tokenizer.h"

#include <limits>
#include <map>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "text/text_test_support.h"

namespace tinyai {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Flags {
  bool add_space_prefix = true, words_only = false, one_space = false, split_words = false;
};
std::unique_ptr<Tokenizer> Make(const TestVocabulary& words, const Flags& flags) {
  GgufWriter writer = words.Writer("t5");
  writer.AddBool("tokenizer.ggml.add_space_prefix", flags.add_space_prefix);
  writer.AddBool("tokenizer.ggml.remove_extra_whitespaces", flags.words_only);
  writer.AddBool("tokenizer.tmai.one_space", flags.one_space);
  writer.AddBool("tokenizer.tmai.split_words", flags.split_words);
  return TokenizerOf(writer, words.tokens.size()).value();
}

// The best cut of a text, by trying them all; of equal sums that whose last piece is longest, then
// the one before, and so on. Only of ASCII.
struct Cut {
  double score = 0;
  std::vector<std::string> pieces;
};
Cut BestCut(const std::map<std::string, float>& scores, double unknown, const std::string& text) {
  Cut best;
  if (text.empty()) return best;
  best.score = -std::numeric_limits<double>::infinity();
  for (size_t begin = 0; begin < text.size(); ++begin) {  // of the last piece
    const std::string piece = text.substr(begin);
    const auto found = scores.find(piece);
    if (found == scores.end() && piece.size() != 1) continue;
    Cut before = BestCut(scores, unknown, text.substr(0, begin));
    const double sum = before.score + (found == scores.end() ? unknown : double{found->second});
    if (!(sum > best.score)) continue;
    best = {sum, std::move(before.pieces)};
    best.pieces.push_back(piece);
  }
  return best;
}

TEST(UnigramTokenizer, TakesTheBestOfAllCuts) {
  std::mt19937 random(3);
  const auto below = [&](uint32_t n) { return random() % n; };
  for (int round = 0; round < 200; ++round) {
    TestVocabulary words;
    const TokenId unknown = words.Add("<unk>", kUnknownType, -20);
    std::map<std::string, float> scores;
    for (int i = 0; i < 12; ++i) {
      std::string piece;
      for (uint32_t k = 0, size = 1 + below(4); k < size; ++k) {
        piece.push_back(static_cast<char>('a' + below(3)));
      }
      // Multiples of a quarter: sums are exact, so ties are ties.
      const float score = -0.25F * static_cast<float>(below(20));
      if (scores.emplace(piece, score).second) words.Add(piece, kNormalType, score);
    }
    const auto tokenizer = Make(words, {.add_space_prefix = false});
    std::string text;
    for (uint32_t k = 0, size = below(12); k < size; ++k) {
      text.push_back(static_cast<char>('a' + below(4)));
    }
    std::vector<TokenId> wanted;
    for (const std::string& piece : BestCut(scores, -30, text).pieces) {
      const auto found = std::find(words.tokens.begin(), words.tokens.end(), piece);
      const bool known = found != words.tokens.end();
      if (!known && !wanted.empty() && wanted.back() == unknown) continue;  // taken together
      wanted.push_back(known ? static_cast<TokenId>(found - words.tokens.begin()) : unknown);
    }
    EXPECT_EQ(Tokens(*tokenizer, text), wanted) << text;
  }
}

TEST(UnigramTokenizer, WritesSpacesAsPiecesHaveThem) {
  TestVocabulary words;
  words.Add("<unk>", kUnknownType);
  const TokenId space = words.Add("▁", kNormalType, -3);
  const TokenId a = words.Add("a", kNormalType, -3);
  const TokenId word = words.Add("▁a", kNormalType, -2);
  const TokenId both = words.Add("a▁a", kNormalType, -0.5F);
  const auto plain = Make(words, {});
  EXPECT_THAT(Tokens(*plain, "a a"), ElementsAre(space, both));
  EXPECT_THAT(Tokens(*plain, " a"), ElementsAre(word)) << "no second space";
  EXPECT_THAT(Tokens(*plain, "a  a"), ElementsAre(word, space, word));
  EXPECT_EQ(plain->Decode(Tokens(*plain, "a  a"), true), "a  a");
  EXPECT_THAT(Tokens(*plain, ""), IsEmpty());
  const auto split = Make(words, {.split_words = true});
  EXPECT_THAT(Tokens(*split, "a a"), ElementsAre(word, word));
  const auto one = Make(words, {.one_space = true});
  EXPECT_THAT(Tokens(*one, "a   a "), ElementsAre(space, both, space));
  const auto only = Make(words, {.words_only = true, .split_words = true});
  EXPECT_THAT(Tokens(*only, " \n a\t\u3000a "), ElementsAre(word, word));
  const auto none = Make(words, {.add_space_prefix = false});
  EXPECT_THAT(Tokens(*none, "a"), ElementsAre(a));
}

TEST(UnigramTokenizer, SpellsUnknownCharactersInBytes) {
  TestVocabulary words = TestVocabulary::Spm();
  const TokenId a = words.Add("a", kNormalType, -1);
  const auto tokenizer = Make(words, {.add_space_prefix = false});
  constexpr TokenId kFirstByte = 3;
  EXPECT_THAT(Tokens(*tokenizer, "aé"), ElementsAre(a, kFirstByte + 0xC3, kFirstByte + 0xA9));
  EXPECT_EQ(tokenizer->Decode(Tokens(*tokenizer, "é\n\xFF"), true), "é\n\xFF");
}

// A trie with "A" and "e" with an acute accent behind it, as Darts lays them out.
std::vector<std::byte> SmallCharsMap() {
  const auto children_at = [](uint32_t here, uint32_t there) { return (here ^ there) << 10; };
  constexpr uint32_t kRoot = 0x100, kA = kRoot ^ 'A', kE = kRoot ^ 'e';
  constexpr uint32_t kOfA = 0x400, kOfE = 0x500, kFirst = kOfE ^ 0xCC, kOfFirst = 0x600,
                     kSecond = kOfFirst ^ 0x81, kOfSecond = 0x700, kLeaf = 1u << 8;
  std::vector<uint32_t> units(0x800, 1u << 31);
  units[0] = children_at(0, kRoot);
  units[kA] = children_at(kA, kOfA) | kLeaf | 'A';
  units[kOfA] = 1u << 31 | 0;
  units[kE] = children_at(kE, kOfE) | 'e';
  units[kFirst] = children_at(kFirst, kOfFirst) | 0xCC;
  units[kSecond] = children_at(kSecond, kOfSecond) | kLeaf | 0x81;
  units[kOfSecond] = 1u << 31 | 2;
  const std::string_view texts("a\0\xC3\xA9\0", 5);
  const uint32_t size = static_cast<uint32_t>(units.size() * sizeof(uint32_t));
  std::vector<std::byte> out(sizeof(size) + size + texts.size());
  std::memcpy(out.data(), &size, sizeof(size));
  std::memcpy(out.data() + sizeof(size), units.data(), size);
  std::memcpy(out.data() + sizeof(size) + size, texts.data(), texts.size());
  return out;
}

TEST(CharsMap, ReplacesWhatItKnows) {
  const Result<CharsMap> map = CharsMap::Make(SmallCharsMap());
  ASSERT_TRUE(map);
  EXPECT_EQ(map->Normalise("xAe"), "xae");
  EXPECT_EQ(map->Normalise("e\xCC\x81!"), "é!") << "a cluster is looked up whole";
  EXPECT_EQ(map->Normalise("e\xCC\x80"), "e\xCC\x80");
  EXPECT_EQ(map->Normalise("\xFF"
                           "A\xE2\x82"),
            "\xFF"
            "a\xE2\x82");
  EXPECT_EQ(CharsMap().Normalise("A"), "A");
}

TEST(CharsMap, WhatIsDamagedChangesTextButNothingElse) {
  const std::vector<std::byte> whole = SmallCharsMap();
  for (const size_t size : {size_t{0}, size_t{3}, size_t{4}, size_t{100}, whole.size() - 5}) {
    EXPECT_EQ(KeyOf(CharsMap::Make(std::span(whole).first(size))), "TOKENIZER") << size;
  }
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::byte> bytes = whole;
    for (int i = 0; i < 200; ++i) bytes[4 + random() % (bytes.size() - 4)] = std::byte(random());
    const Result<CharsMap> map = CharsMap::Make(bytes);
    if (map) map->Normalise("xAe\xCC\x81 \xF0\x9F\x98\x80");
  }
}

}  // namespace
}  // namespace tinyai
