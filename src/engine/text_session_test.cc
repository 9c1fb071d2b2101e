#include "engine/text_session.h"

#include "engine/engine_test_support.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

using Tokens = std::vector<TokenId>;
const Tokens kPrompt = {1, 300, 17, 44, 5};

class TextSessions : public testing::Test {
 protected:
  std::unique_ptr<TextSession> Open(SessionOptions options = {.context = 16, .chunk = 2}) {
    Result<SessionPlan> plan = PlanSession(*model_, options, TestMachine());
    EXPECT_TRUE(plan) << Describe(plan.error());
    Result<std::unique_ptr<TextSession>> text = TextSession::Open(model_, std::move(*plan));
    EXPECT_TRUE(text) << Describe(text.error());
    return text ? std::move(*text) : nullptr;
  }

  // Greedy.
  static Generated Go(TextSession& text, uint64_t most, const GenerateHooks& hooks = {}) {
    Generated out;
    GenerateOptions options{.most_tokens = most, .ignore_end = true};
    options.sampler.temperature = 0;
    options.sampler.repeat_penalty = 1.5f;  // so that what was said before matters
    const Status status = text.Generate(options, hooks, out);
    EXPECT_TRUE(status) << Describe(status.error());
    return out;
  }

  const std::shared_ptr<const Model> model_ = OpenModel(MakeFile({}));
};

TEST_F(TextSessions, GoOnWhereTheyEnded) {
  const auto whole = Open(), parts = Open();
  ASSERT_TRUE(whole->Add(kPrompt));
  ASSERT_TRUE(parts->Add(kPrompt));
  const Tokens expected = Go(*whole, 6).tokens;
  EXPECT_EQ(Go(*parts, 0).tokens, Tokens());
  EXPECT_EQ(Go(*parts, 2).tokens, Tokens(expected.begin(), expected.begin() + 2));
  EXPECT_EQ(Go(*parts, 4).tokens, Tokens(expected.begin() + 2, expected.end()));
  EXPECT_TRUE(std::ranges::equal(parts->tokens(), whole->tokens()));
  EXPECT_EQ(parts->tokens().size(), 11u);
}

TEST_F(TextSessions, GoBackToASnapshot) {
  const auto text = Open();
  ASSERT_TRUE(text->Add(kPrompt));
  Go(*text, 2);
  const Tokens snapshot(text->tokens().begin(), text->tokens().end());
  const Tokens expected = Go(*text, 4).tokens;
  ASSERT_TRUE(text->Restore(snapshot));
  EXPECT_EQ(text->session().position(), snapshot.size());  // nothing of it is computed again
  EXPECT_EQ(Go(*text, 4).tokens, expected);
  const Tokens other = {1, 300, 9};
  ASSERT_TRUE(text->Restore(other));
  EXPECT_EQ(text->session().position(), 2u);
  const auto fresh = Open();
  ASSERT_TRUE(fresh->Add(other));
  EXPECT_EQ(Go(*text, 3).tokens, Go(*fresh, 3).tokens);
}

TEST_F(TextSessions, StopBetweenTokensAndWithinThePrompt) {
  const auto whole = Open(), text = Open();
  ASSERT_TRUE(whole->Add(kPrompt));
  ASSERT_TRUE(text->Add(kPrompt));
  const Tokens expected = Go(*whole, 6).tokens;
  const auto stop = [&](size_t done) {
    if (done == 2) text->RequestStop();
    return true;
  };
  const Generated within = Go(*text, 6, {.prompt_progress = stop});
  EXPECT_EQ(within.reason, StopReason::kCaller);
  EXPECT_EQ(within.tokens, Tokens());
  EXPECT_EQ(text->session().position(), 2u);
  size_t heard = 0;
  const auto third = [&](TokenId, std::string_view) {
    if (++heard == 3) text->RequestStop();
    return true;
  };
  const Generated between = Go(*text, 6, {.token = third});
  EXPECT_EQ(between.reason, StopReason::kCaller);
  EXPECT_EQ(between.tokens, Tokens(expected.begin(), expected.begin() + 3));
  // Asked for while nothing runs, it ends the next one, and only that.
  text->RequestStop();
  EXPECT_EQ(Go(*text, 3).tokens, Tokens());
  EXPECT_EQ(Go(*text, 3).tokens, Tokens(expected.begin() + 3, expected.end()));
}

TEST_F(TextSessions, RefuseWhatDoesNotFitAndChangeNothing) {
  const auto text = Open();
  ASSERT_TRUE(text->Add(kPrompt));
  EXPECT_EQ(text->Add(Tokens(12, 7)).error().key, "CONTEXT_FULL");
  EXPECT_EQ(text->Add(Tokens{1, 512}).error().key, "BAD_TOKEN");
  EXPECT_EQ(text->Restore(Tokens(18, 7)).error().key, "CONTEXT_FULL");
  EXPECT_TRUE(std::ranges::equal(text->tokens(), kPrompt));
  EXPECT_EQ(Go(*text, 100).reason, StopReason::kContext);
  EXPECT_EQ(text->tokens().size(), 17u);  // the last needs no place
  EXPECT_EQ(text->Add("a").error().key, "CONTEXT_FULL");
  Generated out;
  EXPECT_EQ(text->Generate({}, {}, out).error().key, "CONTEXT_FULL");
  const Tokens full(text->tokens().begin(), text->tokens().end());
  EXPECT_TRUE(text->Restore(full));
}

TEST_F(TextSessions, BeginWithTheTokenThatBeginsATextOnce) {
  const auto text = Open();
  ASSERT_TRUE(text->Add("ab"));
  const size_t first = text->tokens().size();
  EXPECT_EQ(text->tokens()[0], model_->tokenizer().bos());
  ASSERT_TRUE(text->Add("ab"));
  EXPECT_EQ(text->tokens().size(), 2 * first - 1);
  EXPECT_EQ(std::ranges::count(text->tokens(), *model_->tokenizer().bos()), 1);
  const auto empty = Open();
  EXPECT_EQ(Go(*empty, 2).tokens.size(), 2u);
  EXPECT_EQ(empty->tokens()[0], model_->tokenizer().bos());
}

}  // namespace
}  // namespace tinyai
