#include "text/tokenizer.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "text/text_test_support.h"

namespace tinyai {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A header whose tokenizer keys are given one by one, so that each can be damaged.
struct Keys {
  std::string kind = "llama";
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>", "▁", "a"};
  std::vector<float> scores = {0, 0, 0, -1, -2};
  std::vector<int32_t> types = {kUnknownType, kControlType, kControlType, kNormalType, kNormalType};
  std::vector<std::string> merges = {};

  GgufWriter Writer() const {
    GgufWriter writer;
    writer.AddString("general.architecture", "llama");
    writer.AddString("tokenizer.ggml.model", kind);
    writer.AddStrings("tokenizer.ggml.tokens", tokens);
    writer.AddNumbers<float>("tokenizer.ggml.scores", MetaType::kF32, scores);
    writer.AddNumbers<int32_t>("tokenizer.ggml.token_type", MetaType::kI32, types);
    if (kind == "gpt2") writer.AddStrings("tokenizer.ggml.merges", merges);
    return writer;
  }
  Result<std::unique_ptr<Tokenizer>> Make() const { return TokenizerOf(Writer(), tokens.size()); }
};

TEST(Tokenizer, OpensASmallVocabularyOfEachKind) {
  Keys keys;
  const auto spm = keys.Make().value();
  EXPECT_EQ(spm->kind(), "llama");
  EXPECT_EQ(spm->size(), 5u);
  EXPECT_EQ(spm->bos(), 1);
  EXPECT_EQ(spm->eos(), 2);
  EXPECT_EQ(spm->Piece(3), "▁");
  EXPECT_EQ(spm->Piece(5), "");
  keys.kind = "gpt2";
  const auto bpe = keys.Make().value();
  EXPECT_EQ(bpe->kind(), "gpt2");
  EXPECT_EQ(bpe->bos(), std::nullopt);
}

TEST(Tokenizer, RefusesWhatItDoesNotKnowAndSaysWhatItKnows) {
  Keys keys;
  keys.kind = "bert";
  auto made = keys.Make();
  ASSERT_EQ(KeyOf(made), "TOKENIZER_UNSUPPORTED");
  EXPECT_EQ(made.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(made.error().message, HasSubstr("llama, gpt2"));
  keys.kind = "gpt2";
  GgufWriter writer = keys.Writer();
  writer.AddString("tokenizer.ggml.pre", "no\x1Bsuch");
  made = TokenizerOf(writer, keys.tokens.size());
  ASSERT_EQ(KeyOf(made), "TOKENIZER_UNSUPPORTED");
  EXPECT_EQ(made.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(made.error().message, HasSubstr("no\\x1Bsuch"));
  EXPECT_THAT(made.error().message, HasSubstr("qwen2"));
  GgufWriter none;
  none.AddString("general.architecture", "llama");
  EXPECT_EQ(KeyOf(TokenizerOf(none, 5)), "TOKENIZER");
}

TEST(Tokenizer, CutsAsDefaultWithAWarningWhereTheFileNamesNoPreTokenizer) {
  Keys keys;
  keys.kind = "gpt2";
  const auto tokenizer = keys.Make().value();
  EXPECT_THAT(tokenizer->warnings(), testing::Contains(HasSubstr("names no pre-tokenizer")));
}

TEST(Tokenizer, RefusesAnEmptyOrMissingVocabulary) {
  Keys keys;
  keys.tokens.clear();
  keys.scores.clear();
  keys.types.clear();
  EXPECT_EQ(KeyOf(keys.Make()), "MODEL_VOCAB");
  GgufWriter writer;
  writer.AddString("tokenizer.ggml.model", "llama");
  EXPECT_EQ(KeyOf(TokenizerOf(writer, 5)), "MODEL_VOCAB");
}

TEST(Tokenizer, RefusesACountThatDisagrees) {
  const Keys keys;
  EXPECT_EQ(KeyOf(TokenizerOf(keys.Writer(), 6)), "MODEL_VOCAB");
  EXPECT_EQ(KeyOf(TokenizerOf(keys.Writer(), 4)), "MODEL_VOCAB");
  GgufWriter writer = keys.Writer();
  writer.AddU32("llama.vocab_size", 1u << 30);
  EXPECT_EQ(KeyOf(TokenizerOf(writer, 5)), "MODEL_VOCAB");
}

TEST(Tokenizer, TakesTheFirstOfDuplicatesAndFindsNoEmptyToken) {
  Keys keys;
  keys.tokens.insert(keys.tokens.end(), {"a", ""});
  keys.scores.insert(keys.scores.end(), {5, 5});
  keys.types.insert(keys.types.end(), {kNormalType, kUserType});
  const auto tokenizer = keys.Make().value();
  EXPECT_THAT(Tokens(*tokenizer, "a"), ElementsAre(3, 4));
  EXPECT_EQ(tokenizer->Bytes(5), "a");
  EXPECT_EQ(tokenizer->Bytes(6), "");
  EXPECT_THAT(tokenizer->warnings(), testing::Contains(HasSubstr("1 tokens are spelled like")));
  EXPECT_THAT(tokenizer->warnings(), testing::Contains(HasSubstr("1 tokens are empty")));
}

TEST(Tokenizer, HoldsATokenOfTenMebibytes) {
  Keys keys;
  keys.tokens[4] = std::string(10 << 20, 'a');
  const auto tokenizer = keys.Make().value();
  EXPECT_EQ(tokenizer->Piece(4).size(), size_t{10} << 20);
  EXPECT_LT(tokenizer->memory_bytes(), (uint64_t{10} << 20) + 8192);
  EXPECT_THAT(Tokens(*tokenizer, "b"), ElementsAre(3, 0));
}

TEST(Tokenizer, RefusesByteTokensThatAreNoBytes) {
  for (const char* spelling : {"<0x-1>", "<0xZZ>", "<0x>", "<0x123>", "<0x1 >", "x", ""}) {
    Keys keys;
    keys.tokens[4] = spelling;
    keys.types[4] = kByteType;
    EXPECT_EQ(KeyOf(keys.Make()), "MODEL_VOCAB") << spelling;
  }
}

TEST(Tokenizer, RefusesScoresAndTypesThatMakeNoSense) {
  Keys keys;
  keys.scores[2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(KeyOf(keys.Make()), "MODEL_VOCAB");
  keys.kind = "gpt2";
  EXPECT_EQ(KeyOf(keys.Make()), "MODEL_VOCAB");
  for (const int32_t type : {7, 99, -1}) {
    Keys typed;
    typed.types[4] = type;
    EXPECT_EQ(KeyOf(typed.Make()), "MODEL_VOCAB") << type;
  }
}

TEST(Tokenizer, RefusesArraysOfUnlikeLengths) {
  Keys scores, types;
  scores.scores.push_back(0);
  EXPECT_EQ(KeyOf(scores.Make()), "MODEL_VOCAB");
  types.types.pop_back();
  EXPECT_EQ(KeyOf(types.Make()), "MODEL_VOCAB");
}

TEST(Tokenizer, RefusesArraysOfAnotherType) {
  const Keys keys;
  const auto with = [&](std::string_view damaged) {
    GgufWriter writer;
    writer.AddString("tokenizer.ggml.model", "gpt2");
    const std::vector<uint8_t> bytes(keys.tokens.size(), 1);
    const std::vector<int32_t> ints(keys.tokens.size(), 1);
    for (const std::string key : {"tokens", "scores", "token_type", "merges"}) {
      const std::string full = "tokenizer.ggml." + key;
      if (key == damaged) {
        if (key == "scores") {
          writer.AddNumbers<uint8_t>(full, MetaType::kU8, bytes);
        } else if (key == "token_type") {
          writer.AddString(full, "normal");
        } else {
          writer.AddNumbers<int32_t>(full, MetaType::kI32, ints);
        }
      } else if (key == "tokens" || key == "merges") {
        writer.AddStrings(full, keys.tokens);
      }
    }
    return KeyOf(TokenizerOf(writer, keys.tokens.size()));
  };
  for (const char* key : {"tokens", "scores", "token_type", "merges"}) {
    EXPECT_EQ(with(key), "GGUF_ARRAY_TYPE") << key;
  }
}

TEST(Tokenizer, TakesScoresThatAreIntegers) {
  const Keys keys;
  GgufWriter writer;
  writer.AddString("tokenizer.ggml.model", "llama");
  writer.AddStrings("tokenizer.ggml.tokens", keys.tokens);
  const std::vector<int32_t> scores = {0, 0, 0, -1, -2};
  writer.AddNumbers<int32_t>("tokenizer.ggml.scores", MetaType::kI32, scores);
  EXPECT_THAT(Tokens(**TokenizerOf(writer, 5), "a"), ElementsAre(3, 4));
}

TEST(Tokenizer, RefusesSpecialIdsThatAreNoTokens) {
  for (const char* name :
       {"bos", "eos", "eot", "eom", "unknown", "padding", "seperator", "mask", "fim_pre"}) {
    for (const uint32_t id : {5u, 6u, 0xFFFFFFFFu}) {
      GgufWriter writer = Keys().Writer();
      writer.AddU32(std::string("tokenizer.ggml.") + name + "_token_id", id);
      EXPECT_EQ(KeyOf(TokenizerOf(writer, 5)), "MODEL_SPECIAL_TOKEN") << name << " " << id;
    }
  }
  GgufWriter negative = Keys().Writer();
  negative.AddI32("tokenizer.ggml.eos_token_id", -1);
  EXPECT_EQ(KeyOf(TokenizerOf(negative, 5)), "MODEL_SPECIAL_TOKEN");
  GgufWriter text = Keys().Writer();
  text.AddString("tokenizer.ggml.eos_token_id", "2");
  EXPECT_EQ(KeyOf(TokenizerOf(text, 5)), "MODEL_SPECIAL_TOKEN");
}

TEST(Tokenizer, RefusesToAddATokenThatIsNotThere) {
  Keys tiny;
  tiny.tokens.resize(1);
  tiny.scores.resize(1);
  tiny.types.resize(1);
  EXPECT_EQ(KeyOf(tiny.Make()), "MODEL_SPECIAL_TOKEN");  // the default bos is 1
  Keys bpe;
  bpe.kind = "gpt2";
  GgufWriter writer = bpe.Writer();
  writer.AddBool("tokenizer.ggml.add_eos_token", true);
  EXPECT_EQ(KeyOf(TokenizerOf(writer, 5)), "MODEL_SPECIAL_TOKEN");
}

TEST(Tokenizer, RefusesMergesThatAreNoPairs) {
  for (const char* merge : {"", " ", "a", " a", "a "}) {
    Keys keys;
    keys.kind = "gpt2";
    keys.merges = {merge};
    EXPECT_EQ(KeyOf(keys.Make()), "MODEL_MERGES") << "'" << merge << "'";
  }
  GgufWriter writer;
  writer.AddString("tokenizer.ggml.model", "gpt2");
  writer.AddStrings("tokenizer.ggml.tokens", Keys().tokens);
  EXPECT_EQ(KeyOf(TokenizerOf(writer, 5)), "MODEL_MERGES");
}

TEST(Tokenizer, CountsMergesThatCanNeverHappen) {
  TestVocabulary words = TestVocabulary::Bpe();
  words.merges = {"a b c", "zz y", "a zz", "a b"};
  const auto tokenizer = words.Make("gpt2", "gpt-2");  // "ab" is no token either
  EXPECT_THAT(tokenizer->warnings(), testing::Contains(HasSubstr("4 merges")));
  EXPECT_THAT(Tokens(*tokenizer, "ab"), ElementsAre('a', 'b'));
}

TEST(Tokenizer, RefusesACharsmapThatDoesNotHoldTogether) {
  const auto key_of = [](std::vector<uint8_t> bytes) {
    GgufWriter writer = Keys().Writer();
    writer.AddNumbers<uint8_t>("tokenizer.ggml.precompiled_charsmap", MetaType::kU8, bytes);
    return KeyOf(TokenizerOf(writer, 5));
  };
  EXPECT_EQ(key_of({4, 0, 0, 0, 1, 2, 3, 4, 0}), "");
  EXPECT_EQ(key_of({5, 0, 0, 0, 1, 2, 3, 4, 0}), "TOKENIZER");
  EXPECT_EQ(key_of({255, 255, 255, 255, 1}), "TOKENIZER");
  EXPECT_EQ(key_of({1, 0}), "TOKENIZER");
  EXPECT_EQ(key_of({}), "TOKENIZER");
}

TEST(Tokenizer, KnowsWhereGenerationEndsByName) {
  TestVocabulary words = TestVocabulary::Bpe();
  const TokenId turn = words.Add("<|im_end|>");  // said to be normal text
  const TokenId pad = words.Add("<|fim_pad|>", kControlType);
  const TokenId start = words.Add("<|im_start|>", kControlType);
  const auto tokenizer = words.Make("gpt2", "qwen2");
  EXPECT_TRUE(tokenizer->IsEnd(turn));
  EXPECT_TRUE(tokenizer->IsControl(turn));
  EXPECT_TRUE(tokenizer->IsEnd(pad));
  EXPECT_FALSE(tokenizer->IsEnd(start));
  EXPECT_FALSE(tokenizer->IsEnd(-1));
  EXPECT_EQ(tokenizer->Bytes(turn), "");
}

TEST(Tokenizer, LetsPartsOfAnAnswerEndWithoutEndingIt) {
  TestVocabulary words = TestVocabulary::Bpe();
  const TokenId end = words.Add("<|end|>", kControlType);
  const TokenId back = words.Add("<|return|>", kControlType);
  const TokenId call = words.Add("<|call|>", kControlType);
  const auto tokenizer = words.Make("gpt2", "gpt-4o");
  EXPECT_FALSE(tokenizer->IsEnd(end));
  EXPECT_FALSE(tokenizer->IsControl(end));
  EXPECT_TRUE(tokenizer->IsEnd(back));
  EXPECT_TRUE(tokenizer->IsEnd(call));
}

TEST(Tokenizer, RefusesTextThatIsTooLong) {
  const auto tokenizer = Keys().Make().value();
  const std::string_view text("x", Tokenizer::kMaxTextBytes + 1);  // refused before it is read
  EXPECT_EQ(KeyOf(tokenizer->Encode(text, {})), "TOKENIZER");
}

}  // namespace
}  // namespace tinyai
