#include "make_model/make_model.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include "format/model_file.h"
#include "gtest/gtest.h"
#include "make_model/vocabulary.h"
#include "oracle/oracle_client.h"
#include "os/file.h"

namespace tinyai::testing_models {
namespace {

using Json = nlohmann::json;

constexpr DType kTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ8_0,
                            DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                            DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

// A model file that is removed at the end of its test.
class TemporaryModel {
 public:
  explicit TemporaryModel(const ModelSpec& spec)
      : path_(testing::TempDir() + "make_model_" + std::to_string(getpid()) + ".gguf") {
    const Status made = MakeModel(spec, path_);
    EXPECT_TRUE(made) << Describe(made.error());
  }
  ~TemporaryModel() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

ModelSpec SpecFor(DType type) {
  ModelSpec spec;
  spec.type = type;
  if (Info(type).block_elements == 256) {
    spec.n_embd = 256;
    spec.n_ff = 512;
  }
  return spec;
}

Result<ModelFile> ReadFile(const std::string& path) {
  TRY_ASSIGN(std::unique_ptr<File> file, File::Open(path));
  std::vector<std::unique_ptr<ByteSource>> parts;
  return ReadGguf(std::move(file), nullptr, parts);
}

// Runs a prompt and expects logits that look like a model's: finite, and of about the wanted size.
void ExpectSaneLogits(OracleClient& oracle, const ModelSpec& spec, const std::string& label) {
  const TemporaryModel model(spec);
  const Json answer = oracle.Ask({{"op", "generate"},
                                  {"model", model.path()},
                                  {"prompt", {1, 300, 17, 280, 90}},
                                  {"n", 8},
                                  {"top", spec.n_vocab}});
  ASSERT_FALSE(answer.contains("error")) << label << ": " << answer;
  for (const Json& step : answer.at("top")) {
    double squares = 0;
    for (const Json& entry : step) squares += std::pow(entry[1].get<double>(), 2);
    const double deviation = std::sqrt(squares / step.size());
    EXPECT_GT(deviation, 0.5 * spec.logit_std) << label;
    EXPECT_LT(deviation, 2 * spec.logit_std) << label;
  }
}

TEST(MakeModel, EveryTypeOpensAndHasTheBytesItsShapesSay) {
  for (const DType type : kTypes) {
    const ModelSpec spec = SpecFor(type);
    const TemporaryModel model(spec);
    const Result<ModelFile> file = ReadFile(model.path());
    ASSERT_TRUE(file) << Describe(file.error());
    EXPECT_TRUE(file->warnings.empty());
    EXPECT_EQ(file->tensors.size(), 2 * 9 + 3u);
    const TensorInfo* down = file->FindTensor("blk.1.ffn_down.weight");
    ASSERT_NE(down, nullptr);
    EXPECT_EQ(down->type, type);
    EXPECT_EQ(down->dims, (std::array<uint64_t, 4>{spec.n_ff, spec.n_embd, 1, 1}));
  }
}

TEST(MakeModel, EqualSpecsGiveEqualFilesAndOtherSeedsOthers) {
  const auto contents = [](uint64_t seed) {
    ModelSpec spec;
    spec.seed = seed;
    const TemporaryModel model(spec);
    std::ifstream file(model.path(), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_EQ(contents(1), contents(1));
  EXPECT_NE(contents(1), contents(2));
}

TEST(MakeModel, RefusesRowsThatAreNoMultipleOfTheBlock) {
  ModelSpec spec;
  spec.n_embd = 100;
  spec.type = DType::kQ4_0;
  const Status made = MakeModel(spec, testing::TempDir() + "refused.gguf");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kUsage);
}

TEST(MakeModel, VocabulariesHaveTheWantedSizeAndNoTokenTwice) {
  for (const uint32_t size : {400u, 512u, 2048u, 8000u}) {
    for (const Vocabulary& vocabulary :
         {MakeSpmVocabulary(size, 3), MakeBpeVocabulary(size, "gpt-2", 3)}) {
      EXPECT_EQ(vocabulary.tokens.size(), size) << vocabulary.model;
      EXPECT_EQ(vocabulary.types.size(), size);
      EXPECT_EQ(std::set<std::string>(vocabulary.tokens.begin(), vocabulary.tokens.end()).size(),
                size);
      EXPECT_EQ(vocabulary.merges.size(), vocabulary.model == "gpt2" ? size - 259 : 0);
    }
  }
}

TEST(MakeModel, GivesSaneLogitsForEveryTypeFamilyAndScaling) {
  std::string why;
  const std::unique_ptr<OracleClient> oracle = OracleClient::Start(why);
  if (oracle == nullptr) GTEST_SKIP() << why;
  for (const DType type : kTypes) {
    ExpectSaneLogits(*oracle, SpecFor(type), std::string(Name(type)));
  }
  for (const std::string architecture : {"llama", "qwen2", "qwen3"}) {
    for (const std::string scaling : {"", "linear", "yarn", "llama3"}) {
      ModelSpec spec;
      spec.architecture = architecture;
      spec.rope_scaling = scaling;
      spec.tied = architecture == "qwen2";
      if (architecture == "qwen3") spec.head_dim = 32;
      if (architecture != "llama") spec.vocabulary = "gpt2";
      if (architecture != "llama") spec.pre_tokenizer = "qwen2";
      if (scaling == "llama3" && architecture != "llama") continue;  // no such models
      ExpectSaneLogits(*oracle, spec, architecture + " " + scaling);
    }
  }
}

}  // namespace
}  // namespace tinyai::testing_models
