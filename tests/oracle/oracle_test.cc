// The oracle itself, against references that do not come from it.

#include "oracle/oracle_client.h"

#include <fstream>

#include "gtest/gtest.h"
#include "paths/paths.h"

namespace tinyai {
namespace {

using Json = nlohmann::json;

std::string SharedModels() { return SharedFolder() + "/models/"; }

TEST(Oracle, ContinuesTheReferenceModelsAsTheReferenceDoes) {
  std::ifstream file(SharedModels() + "references.json");
  if (!file) GTEST_SKIP() << "no shared models; set TINYAI_SHARED";
  std::string why;
  const std::unique_ptr<OracleClient> oracle = OracleClient::Start(why);
  if (oracle == nullptr) GTEST_SKIP() << why;
  for (const Json& reference : Json::parse(file)) {
    const std::string model = reference.at("model");
    const Json answer = oracle->Ask({{"op", "generate"},
                                     {"model", SharedModels() + model},
                                     {"prompt", reference.at("prompt_tokens")},
                                     {"n", 32},
                                     {"threads", 1}});
    ASSERT_FALSE(answer.contains("error")) << answer;
    EXPECT_EQ(answer.at("tokens"), reference.at("greedy_tokens")) << model;
  }
}

TEST(Oracle, SaysWhyARequestFailed) {
  std::string why;
  const std::unique_ptr<OracleClient> oracle = OracleClient::Start(why);
  if (oracle == nullptr) GTEST_SKIP() << why;
  const Json answer = oracle->Ask({{"op", "tokenize"}, {"model", "/no/such/file"}});
  EXPECT_NE(answer.value("error", "").find("/no/such/file"), std::string::npos) << answer;
}

}  // namespace
}  // namespace tinyai
