#include "text/sampler.h"

#include <cmath>
#include <limits>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "text/exact_exp.h"

namespace tinyai {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Everything off but the draw itself.
SamplerOptions Plain() {
  SamplerOptions options;
  options.temperature = 1;
  options.top_k = 0;
  options.top_p = 1;
  options.min_p = 0;
  return options;
}

std::string_view KeyOf(const Status& status) {
  return status ? std::string_view() : status.error().key;
}

TokenId Once(const SamplerOptions& options, std::vector<float> logits,
             std::vector<TokenId> history = {}) {
  Sampler sampler(options);
  return sampler.Next(logits, history).value();
}

// How often each token comes in `draws` draws.
std::map<TokenId, int> Counts(const SamplerOptions& options, const std::vector<float>& logits,
                              int draws, const std::vector<TokenId>& history = {}) {
  Sampler sampler(options);
  std::map<TokenId, int> counts;
  for (int i = 0; i < draws; ++i) {
    std::vector<float> copy = logits;
    ++counts[sampler.Next(copy, history).value()];
  }
  return counts;
}

TEST(SamplerOptions, AreCheckedOneByOne) {
  EXPECT_TRUE(Check({}));
  const auto key_with = [](auto change) {
    SamplerOptions options;
    change(options);
    return KeyOf(Check(options));
  };
  for (const float bad : {kNan, -1.0f, kInf}) {
    EXPECT_EQ(key_with([&](SamplerOptions& o) { o.temperature = bad; }), "BAD_OPTION") << bad;
    EXPECT_EQ(key_with([&](SamplerOptions& o) { o.top_p = bad; }), "BAD_OPTION") << bad;
    EXPECT_EQ(key_with([&](SamplerOptions& o) { o.min_p = bad; }), "BAD_OPTION") << bad;
    EXPECT_EQ(key_with([&](SamplerOptions& o) { o.repeat_penalty = bad; }), "BAD_OPTION") << bad;
  }
  EXPECT_EQ(key_with([](SamplerOptions& o) { o.top_p = 1.01f; }), "BAD_OPTION");
  EXPECT_EQ(key_with([](SamplerOptions& o) { o.repeat_penalty = 0; }), "BAD_OPTION");
  EXPECT_EQ(key_with([](SamplerOptions& o) { o.repeat_last_n = -2; }), "BAD_OPTION");
  EXPECT_EQ(key_with([](SamplerOptions& o) { o.temperature = 0; }), "");
  EXPECT_EQ(key_with([](SamplerOptions& o) { o.top_k = -5; }), "");
}

TEST(Sampler, IsGreedyAtTemperatureZeroLowestIdFirst) {
  SamplerOptions options;
  options.temperature = 0;
  EXPECT_EQ(Once(options, {1, 3, 2, 3}), 1);
  EXPECT_EQ(Once(options, {0, 0, 0}), 0);
  EXPECT_EQ(Once(options, {-kInf, -kInf}), 0);
  EXPECT_EQ(Once(options, {-kInf, -5}), 1);
}

TEST(Sampler, LetsInfinityWinAndReportsNan) {
  EXPECT_EQ(Once(Plain(), {100, kInf, kInf}), 1);
  EXPECT_EQ(Once(Plain(), {-kInf, -kInf}), 0);
  for (const float temperature : {0.0f, 1.0f}) {
    SamplerOptions options = Plain();
    options.temperature = temperature;
    Sampler sampler(options);
    std::vector<float> logits = {1, kNan, 2};
    const auto next = sampler.Next(logits, {});
    ASSERT_FALSE(next);
    EXPECT_EQ(next.error().key, "NUMERIC_NAN");
    EXPECT_EQ(next.error().code, ErrorCode::kOther);
    std::vector<float> none;
    EXPECT_FALSE(sampler.Next(none, {}));
  }
}

// 20,000 draws: the standard deviation of a share is below 0.0036, so 0.02 is past five of them.
TEST(Sampler, DrawsAsTheProbabilitiesSay) {
  const std::vector<float> logits = {std::log(1.0f), std::log(2.0f), std::log(5.0f), -kInf};
  const auto counts = Counts(Plain(), logits, 20'000);
  EXPECT_NEAR(counts.at(0) / 20'000.0, 0.125, 0.02);
  EXPECT_NEAR(counts.at(1) / 20'000.0, 0.25, 0.02);
  EXPECT_NEAR(counts.at(2) / 20'000.0, 0.625, 0.02);
  EXPECT_EQ(counts.count(3), 0u);
}

TEST(Sampler, FlattensWithTemperature) {
  SamplerOptions options = Plain();
  options.temperature = 2;
  const auto counts = Counts(options, {0, std::log(4.0f)}, 20'000);  // becomes 1 : 2
  EXPECT_NEAR(counts.at(1) / 20'000.0, 2.0 / 3, 0.02);
}

TEST(Sampler, KeepsTheBestK) {
  SamplerOptions options = Plain();
  options.top_k = 2;
  const auto counts = Counts(options, {1, 1, 1.1f, 1, 0.9f}, 1000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(0));  // the lowest of the equals
  EXPECT_TRUE(counts.contains(2));
  options.top_k = 1;
  EXPECT_EQ(Counts(options, {1, 1, 1}, 100).size(), 1u);
}

TEST(Sampler, KeepsTheShortestBeginningThatReachesP) {
  SamplerOptions options = Plain();
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  const auto kept = [&](float p) {
    options.top_p = p;
    return Counts(options, logits, 500).size();
  };
  EXPECT_EQ(kept(0), 1u);
  EXPECT_EQ(kept(0.45f), 1u);
  EXPECT_EQ(kept(0.55f), 2u);
  EXPECT_EQ(kept(0.85f), 3u);
}

TEST(Sampler, DropsWhatIsFarLessLikelyThanTheBest) {
  SamplerOptions options = Plain();
  options.min_p = 0.5f;
  EXPECT_EQ(Counts(options, {std::log(10.0f), std::log(6.0f), std::log(4.0f)}, 500).size(), 2u);
  options.min_p = 1;
  EXPECT_EQ(Counts(options, {2, 2, 1}, 500).size(), 2u);
}

TEST(Sampler, PenalisesRecentTokensOnceEach) {
  SamplerOptions options;
  options.temperature = 0;
  options.repeat_penalty = 2;
  EXPECT_EQ(Once(options, {4, 3, 1}, {0}), 1);        // 4 -> 2
  EXPECT_EQ(Once(options, {4, 1.5f, 1}, {0, 0}), 0);  // 2, not 1
  EXPECT_EQ(Once(options, {-1, -1.5f}, {0}), 1);      // -1 -> -2
  options.repeat_last_n = 1;
  EXPECT_EQ(Once(options, {4, 3, 1}, {0, 1}), 0);  // 0 came too long ago
  options.repeat_last_n = 0;
  EXPECT_EQ(Once(options, {4, 3, 1}, {0}), 0);
  options.repeat_last_n = -1;
  EXPECT_EQ(Once(options, {4, 3, 1}, std::vector<TokenId>(1000, 0)), 1);
  EXPECT_EQ(Once(options, {4, 3, 1}, {-1, 77}), 0);  // no tokens of this vocabulary
}

TEST(Sampler, GivesTheSameTokensForTheSameSeed) {
  std::vector<float> logits(1000);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 37) * 0.1f;
  const auto run = [&](uint64_t seed) {
    SamplerOptions options;
    options.seed = seed;
    options.top_k = 0;
    Sampler sampler(options);
    std::vector<TokenId> tokens;
    for (int i = 0; i < 8; ++i) {
      std::vector<float> copy = logits;
      tokens.push_back(sampler.Next(copy, tokens).value());
    }
    return tokens;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

// The numbers of this program on any machine; a change here breaks users' seeds.
TEST(Sampler, KeepsItsSequence) {
  SamplerOptions options = Plain();
  options.seed = 42;
  Sampler sampler(options);
  std::vector<TokenId> tokens;
  for (int i = 0; i < 8; ++i) {
    std::vector<float> logits(10, 0.0f);
    tokens.push_back(sampler.Next(logits, {}).value());
  }
  // floor(10 * (x >> 11) / 2^53) of the first eight numbers of mt19937_64 seeded with 42.
  std::mt19937_64 random(42);
  std::vector<TokenId> expected;
  for (int i = 0; i < 8; ++i) {
    expected.push_back(static_cast<TokenId>(10 * (static_cast<double>(random() >> 11) * 0x1p-53)));
  }
  EXPECT_EQ(tokens, expected);
  EXPECT_EQ(tokens, (std::vector<TokenId>{7, 6, 7, 1, 9, 0, 5, 3}));
}

TEST(ExactExp, AgreesWithTheLibrary) {
  for (double x = 0; x > -746; x -= 0.0137) {
    EXPECT_NEAR(ExpOfNegative(x), std::exp(x), 2e-15 * std::exp(x) + 5e-324) << x;
  }
  EXPECT_EQ(ExpOfNegative(0), 1.0);
  EXPECT_EQ(ExpOfNegative(-kInf), 0.0);
}

TEST(TopLogits, AreBestFirstLowestIdOfEquals) {
  const std::vector<float> logits = {1, 5, 3, 5, -kInf};
  EXPECT_THAT(TopLogits(logits, 3), ElementsAre(Pair(1, 5), Pair(3, 5), Pair(2, 3)));
  EXPECT_EQ(TopLogits(logits, 99).size(), 5u);
  EXPECT_TRUE(TopLogits(logits, 0).empty());
}

}  // namespace
}  // namespace tinyai
