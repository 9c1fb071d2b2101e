// Against exact arithmetic (../shared/models/references.json) and against llama.cpp.

#include <cmath>

#include "engine/engine_test_support.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "oracle/oracle_client.h"

namespace tinyai {
namespace {

using Json = nlohmann::json;

// Activations of 8 bits move logits of these models by up to about 0.1.
constexpr double kClearMargin = 0.2;

struct Expected {
  TokenId best;
  double margin;
  std::vector<std::pair<TokenId, double>> top;
};

std::vector<Expected> ExpectedOf(const Json& tokens, const Json& tops) {
  std::vector<Expected> out;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const Json& top = tops[i];
    out.push_back({tokens[i], top[0][1].get<double>() - top[1][1].get<double>(), {}});
    for (const Json& pair : top) out.back().top.emplace_back(pair[0], pair[1]);
  }
  return out;
}

// Follows the expected tokens. Wrong tokens count where the margin is at least `margin`. Returns
// the largest difference of a logit among the expected best.
double Follow(const std::string& path, const std::vector<TokenId>& prompt,
              const std::vector<Expected>& expected, bool quantize, double margin) {
  const auto model = OpenModel(path, {.quantize_activations = quantize});
  if (model == nullptr) return INFINITY;
  const auto session =
      OpenSession(model, {.context = 128, .key_type = DType::kF32, .value_type = DType::kF32});
  std::vector<TokenId> next = prompt;
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const Result<Logits> logits = Feed(*session, next);
    EXPECT_TRUE(logits) << Describe(logits.error());
    if (!logits) return INFINITY;
    if (expected[i].margin >= margin) {
      EXPECT_EQ(static_cast<TokenId>(ArgMax(*logits)), expected[i].best)
          << path << " step " << i << ", margin " << expected[i].margin;
    }
    for (const auto& [id, logit] : expected[i].top) {
      const double ours = static_cast<double>((*logits)[static_cast<size_t>(id)]);
      worst = std::max(worst, std::abs(ours - logit));
    }
    next = {expected[i].best};
  }
  return worst;
}

double LargestLogit(const std::vector<Expected>& expected) {
  double largest = 0;
  for (const Expected& step : expected) {
    for (const auto& [id, logit] : step.top) largest = std::max(largest, std::abs(logit));
  }
  return largest;
}

TEST(References, AreContinuedAsExactArithmeticDoes) {
  std::ifstream file(SharedModels() + "references.json");
  if (!file) GTEST_SKIP() << SharedModels() << "references.json is missing; set TINYAI_SHARED";
  for (const Json& reference : Json::parse(file)) {
    const std::string path = SharedModels() + reference.at("model").get<std::string>();
    const std::vector<TokenId> prompt = reference.at("prompt_tokens");
    Json tops;
    for (const Json& step : reference.at("steps")) tops.push_back(step.at("top"));
    const std::vector<Expected> expected = ExpectedOf(reference.at("greedy_tokens"), tops);
    Follow(path, prompt, expected, true, kClearMargin);
    const double exact = Follow(path, prompt, expected, false, 0);
    EXPECT_LE(exact, 1e-4 * LargestLogit(expected)) << path;
  }
}

// --- llama.cpp ---

struct Case {
  std::string name;
  ModelSpec spec;
  double tolerance;  // of a logit with float activations, by what llama.cpp rounds
};

void Compare(OracleClient& oracle, const Case& c) {
  SCOPED_TRACE(c.name);
  const std::string path = MakeFile(c.spec);
  const std::vector<TokenId> prompt = SomeTokens(20, c.spec.n_vocab);
  const Json answer = oracle.Ask({{"op", "generate"},
                                  {"model", path},
                                  {"prompt", prompt},
                                  {"n", 12},
                                  {"top", 40},
                                  {"repack", false}});
  ASSERT_FALSE(answer.contains("error")) << answer;
  const std::vector<Expected> expected = ExpectedOf(answer.at("tokens"), answer.at("top"));
  Follow(path, prompt, expected, true, 2 * kClearMargin);  // both round
  const double worst = Follow(path, prompt, expected, false, kClearMargin);
  EXPECT_LE(worst, c.tolerance);
  ::testing::Test::RecordProperty(c.name, fmt::format("{:.6f}", worst));
}

constexpr double kFloat = 5e-5;   // sums in another order; 5e-6 was measured
constexpr double kHalves = 0.04;  // activations rounded to 16 bits; BF16: 0.017
constexpr double kEight = 0.25;   // activations rounded to 8 bits; 0.06 to 0.15

void CompareAll(const std::vector<Case>& cases) {
  std::string why;
  const std::unique_ptr<OracleClient> oracle = OracleClient::Start(why);
  if (oracle == nullptr) GTEST_SKIP() << why;
  for (const Case& c : cases) Compare(*oracle, c);
}

TEST(LlamaCpp, AgreesForEveryTypeOfTensor) {
  std::vector<Case> cases;
  for (const DType type :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
        DType::kQ5_0, DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    const bool halves = type == DType::kF16 || type == DType::kBF16;
    const double tolerance = type == DType::kF32 ? kFloat : halves ? kHalves : kEight;
    cases.push_back({std::string(Name(type)), WideSpec(type), tolerance});
  }
  CompareAll(cases);
}

TEST(LlamaCpp, AgreesForEveryFamilyAndScalingOfAngles) {
  std::vector<Case> cases;
  for (const std::string family : {"llama", "qwen2", "qwen3"}) {
    for (const DType type : {DType::kF32, DType::kQ8_0}) {
      for (const bool tied : {false, true}) {
        ModelSpec spec = WideSpec(type);
        spec.architecture = family;
        spec.tied = tied;
        spec.head_dim = family == "qwen3" ? 32 : 0;
        if (family != "llama") {
          spec.vocabulary = "gpt2";
          spec.pre_tokenizer = "qwen2";
        }
        cases.push_back({fmt::format("{}.{}{}", family, Name(type), tied ? ".tied" : ""), spec,
                         type == DType::kF32 ? kFloat : kEight});
      }
    }
  }
  for (const std::string scaling : {"linear", "yarn", "llama3"}) {
    for (const std::string family : {"llama", "qwen2"}) {
      if (scaling == "llama3" && family != "llama") continue;  // only that family has divisors
      ModelSpec spec = WideSpec(DType::kF32);
      spec.architecture = family;
      spec.rope_scaling = scaling;
      cases.push_back({family + "." + scaling, spec, kFloat});
    }
  }
  CompareAll(cases);
}

}  // namespace
}  // namespace tinyai
