// Folders of Hugging Face models give what a GGUF file of the same weights gives.

#include <cmath>
#include <filesystem>

#include "engine/convert.h"
#include "engine/engine_test_support.h"
#include "make_model/hf_directory.h"

namespace tinyai {
namespace {

std::string MakeFolder(const std::string& gguf, uint32_t shards = 1) {
  const std::string folder = gguf + ".hf";
  std::filesystem::create_directory(folder);
  const Status made = testing_models::MakeHfDirectory(gguf, folder, shards);
  EXPECT_TRUE(made) << Describe(made.error());
  return folder;
}

std::vector<Logits> RunIt(const std::string& path) {
  const std::shared_ptr<const Model> model = OpenModel(path);
  if (model == nullptr) return {};
  const std::unique_ptr<Session> session = OpenSession(model, {.context = 64, .threads = 2});
  Result<std::vector<Logits>> logits =
      Continue(*session, SomeTokens(20, model->graph().vocabulary), 2);
  EXPECT_TRUE(logits) << Describe(logits.error());
  return logits ? *logits : std::vector<Logits>();
}

std::string Convert(const std::string& from) {
  const std::string to = from + ".tmai";
  const Result<OpenedModelFile> model = OpenModelFile(from);
  EXPECT_TRUE(model) << Describe(model.error());
  const Result<ConvertReport> done = ConvertModel(*model, to, false);
  EXPECT_TRUE(done) << Describe(done.error());
  return to;
}

TEST(HfFolder, GivesTheSameLogitsAsAGgufBitByBit) {
  for (const std::string architecture : {"qwen2", "qwen3"}) {
    for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
      ModelSpec spec = WideSpec(type);
      spec.architecture = architecture;
      spec.tied = type == DType::kF16;
      spec.vocabulary = "gpt2";
      spec.n_vocab = 600;
      const std::string gguf = MakeFile(spec);
      const std::string folder = MakeFolder(gguf, type == DType::kBF16 ? 3 : 1);
      const std::vector<Logits> wanted = RunIt(gguf);
      EXPECT_EQ(RunIt(folder), wanted);
      EXPECT_EQ(RunIt(Convert(folder)), wanted);
    }
  }
}

// The same products in another order within each head.
TEST(HfFolder, ALlamaGivesTheSameLogitsButForRounding) {
  ModelSpec spec = WideSpec(DType::kF32);
  const std::string gguf = MakeFile(spec), folder = MakeFolder(gguf, 2);
  const std::vector<Logits> wanted = RunIt(gguf), got = RunIt(folder);
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].size(), wanted[i].size());
    for (size_t j = 0; j < got[i].size(); ++j) EXPECT_NEAR(got[i][j], wanted[i][j], 1e-3f);
  }
  EXPECT_EQ(RunIt(Convert(folder)), got);
}

TEST(HfFolder, TextBecomesTheSameTokens) {
  const std::vector<std::string> texts = {"The quick brown fox, 1234 times!",
                                          "  two spaces\n\tand a tab  ",
                                          "Größe Straße été",
                                          "日本語 and 한국어",
                                          "it's we'll <|end|> </s> <|im_end|>",
                                          "",
                                          "\xF0\x9F\x98\x80 \x01"};
  for (const std::string vocabulary : {"llama", "gpt2"}) {
    ModelSpec spec = WideSpec(DType::kF32);
    spec.vocabulary = vocabulary;
    spec.n_vocab = 1200;
    const std::string gguf = MakeFile(spec);
    const auto a = OpenModel(gguf), b = OpenModel(MakeFolder(gguf));
    ASSERT_TRUE(a && b);
    for (const std::string& text : texts) {
      for (const bool special : {false, true}) {
        const auto wanted =
            a->tokenizer().Encode(text, {.add_special = true, .parse_special = special});
        const auto got =
            b->tokenizer().Encode(text, {.add_special = true, .parse_special = special});
        ASSERT_TRUE(wanted && got);
        EXPECT_EQ(*got, *wanted) << vocabulary << ": " << text;
      }
    }
  }
}

TEST(HfFolder, ALinkThatLeadsOutIsNotFollowed) {
  const std::string folder = MakeFolder(MakeFile(WideSpec(DType::kF32)));
  const std::filesystem::path weights = folder + "/model.safetensors";
  std::filesystem::rename(weights, folder + ".elsewhere");
  std::filesystem::create_symlink(folder + ".elsewhere", weights);
  const Result<OpenedModelFile> model = OpenModelFile(folder);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().key, "ST_SHARD_PATH");
}

}  // namespace
}  // namespace tinyai
