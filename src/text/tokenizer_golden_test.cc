// Compares tokens with those of llama.cpp, kept in testdata/: one line per text of
// awkward_texts.txt, the ids with parse_special off, and behind a "|" those with it on where they
// differ. tools/update_tokenizer_goldens asks llama.cpp again and rewrites the files.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/escape.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "make_model/make_model.h"
#include "oracle/oracle_client.h"
#include "paths/paths.h"
#include "text/text_test_support.h"

namespace tinyai {
namespace {

using Json = nlohmann::json;

const std::string kTestData = SourceFolder() + "/src/text/testdata/";
constexpr const char* kUpdateFlag = "TINYAI_UPDATE_GOLDENS";

// A line of awkward_texts.txt: bytes as they are, or as \xNN.
std::string Unescaped(std::string_view line) {
  std::string text;
  while (!line.empty()) {
    if (line.starts_with("\\x") && line.size() >= 4) {
      text += static_cast<char>(std::stoi(std::string(line.substr(2, 2)), nullptr, 16));
      line.remove_prefix(4);
    } else {
      text += line[0];
      line.remove_prefix(1);
    }
  }
  return text;
}

// All of the awkward texts, and the first of them in one long one.
std::vector<std::string> Texts() {
  std::ifstream file(kTestData + "awkward_texts.txt");
  std::vector<std::string> texts;
  std::string all;
  for (std::string line; std::getline(file, line);) {
    texts.push_back(Unescaped(line));
    if (texts.size() <= 150) all += texts.back();
  }
  texts.push_back(all);
  return texts;
}

std::string GoldenLine(const std::vector<TokenId>& plain, const std::vector<TokenId>& special) {
  const std::string line = fmt::format("{}", fmt::join(plain, " "));
  return plain == special ? line : fmt::format("{}|{}", line, fmt::join(special, " "));
}

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  return hex;
}

std::vector<std::vector<TokenId>> AskLlamaCpp(OracleClient& oracle, const std::string& model,
                                              const std::vector<std::string>& texts,
                                              bool parse_special) {
  Json request = {{"op", "tokenize"},
                  {"model", model},
                  {"add_special", false},
                  {"parse_special", parse_special}};
  for (const std::string& text : texts) request["texts_hex"].push_back(Hex(text));
  const Json answer = oracle.Ask(request);
  EXPECT_FALSE(answer.contains("error")) << answer;
  return answer.value("tokens", std::vector<std::vector<TokenId>>());
}

void RewriteGolden(const std::string& golden, const std::string& model) {
  std::string why;
  const std::unique_ptr<OracleClient> oracle = OracleClient::Start(why);
  ASSERT_NE(oracle, nullptr) << why;
  const std::vector<std::string> texts = Texts();
  const auto plain = AskLlamaCpp(*oracle, model, texts, false);
  const auto special = AskLlamaCpp(*oracle, model, texts, true);
  ASSERT_EQ(plain.size(), texts.size());
  ASSERT_EQ(special.size(), texts.size());
  std::ofstream file(golden);
  for (size_t i = 0; i < texts.size(); ++i) file << GoldenLine(plain[i], special[i]) << "\n";
}

void ExpectGolden(const std::string& name, const std::string& model) {
  const std::string golden = kTestData + name + ".txt";
  if (std::getenv(kUpdateFlag) != nullptr) RewriteGolden(golden, model);
  if (testing::Test::HasFatalFailure()) return;
  const std::unique_ptr<Tokenizer> tokenizer = OpenTokenizer(model);
  ASSERT_NE(tokenizer, nullptr) << model;
  std::ifstream file(golden);
  size_t compared = 0;
  for (const std::string& text : Texts()) {
    std::string line;
    ASSERT_TRUE(std::getline(file, line)) << golden << " has too few lines";
    EXPECT_EQ(GoldenLine(Tokens(*tokenizer, text), Tokens(*tokenizer, text, true)), line)
        << EscapeControl(text);
    ++compared;
  }
  EXPECT_GE(compared, 400u);
}

class GoldenOfSharedModel : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(GoldenOfSharedModel, TokensAreThoseOfLlamaCpp) {
  const auto [name, file] = GetParam();
  const std::string path = SharedFolder() + "/models/" + file;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  ExpectGolden(name, path);
}

INSTANTIATE_TEST_SUITE_P(Tokenizer, GoldenOfSharedModel,
                         testing::Values(std::pair("spm_tiny", "tiny-f32.gguf"),
                                         std::pair("bpe_tales", "tales-q8_0.gguf")));

class GoldenOfMadeModel : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(GoldenOfMadeModel, TokensAreThoseOfLlamaCpp) {
  testing_models::ModelSpec spec;
  const auto [kind, pre] = GetParam();
  spec.vocabulary = kind;
  spec.pre_tokenizer = pre;
  spec.n_vocab = 1000;
  spec.n_layer = 1;
  const std::string path = fmt::format("{}tokenizer_golden_{}.gguf", testing::TempDir(), getpid());
  const Status made = testing_models::MakeModel(spec, path);
  ASSERT_TRUE(made) << Describe(made.error());
  ExpectGolden(*pre == '\0' ? "spm_made" : fmt::format("bpe_{}", pre), path);
  std::filesystem::remove(path);
}

INSTANTIATE_TEST_SUITE_P(
    Tokenizer, GoldenOfMadeModel,
    testing::Values(std::pair("llama", ""), std::pair("gpt2", "gpt-2"),
                    std::pair("gpt2", "llama-bpe"), std::pair("gpt2", "qwen2"),
                    std::pair("gpt2", "qwen35"), std::pair("gpt2", "default"),
                    std::pair("gpt2", "starcoder"), std::pair("gpt2", "falcon"),
                    std::pair("gpt2", "deepseek-llm"), std::pair("gpt2", "deepseek-coder"),
                    std::pair("gpt2", "deepseek-v3"), std::pair("gpt2", "tekken"),
                    std::pair("gpt2", "gpt-4o"), std::pair("gpt2", "bloom")));

}  // namespace
}  // namespace tinyai
