#include "engine/encode_prompt.h"

#include <string>

#include "engine/engine_test_support.h"

namespace tinyai {
namespace {

TEST(EncodePrompt, GivesTheTokenizersTokens) {
  const auto model = OpenModel(MakeFile(WideSpec()));
  const auto tokens = EncodePrompt(*model, "abc abc", 64);
  ASSERT_TRUE(tokens) << Describe(tokens.error());
  EXPECT_EQ(*tokens, *model->tokenizer().Encode("abc abc", {}));
}

TEST(EncodePrompt, RefusesATextThatCannotFitBeforeItIsEncoded) {
  const auto model = OpenModel(MakeFile(WideSpec()));
  const auto tokens = EncodePrompt(*model, std::string(size_t{16} << 20, 'x'), 64);
  ASSERT_FALSE(tokens);
  EXPECT_EQ(tokens.error().key, "CONTEXT_FULL");
}

}  // namespace
}  // namespace tinyai
