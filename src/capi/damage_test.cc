// Damaged models, opened through the API: a specific error, nothing left behind, and the next call
// works. The ids are those of the catalogue of faults: C safetensors, D .tmai, I9 what is not
// written.

#include <tinyai/session.h>

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <functional>
#include <map>

#include "capi/chain_test_support.h"
#include "make_model/hf_directory.h"
#include "nlohmann/json.hpp"

namespace tinyai::capi {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::ptrdiff_t CountEntries(const char* folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

// Opens a model that cannot be opened and returns the error's key. Neither descriptors nor threads
// are left.
std::string KeyOfOpening(const fs::path& path) {
  const auto files = CountEntries("/proc/self/fd"), threads = CountEntries("/proc/self/task");
  EXPECT_EQ(tinyaiOpenMappedModel(path.c_str(), nullptr), nullptr) << path;
  const std::string key(LastKey());
  EXPECT_STRNE(tinyaiGetErrorMessage(), "");
  EXPECT_EQ(CountEntries("/proc/self/fd"), files) << path;
  EXPECT_EQ(CountEntries("/proc/self/task"), threads) << path;
  return key;
}

// A Hugging Face folder that tests damage.
class Folder {
 public:
  explicit Folder(uint32_t shards = 1) {
    static int count = 0;
    path_ = Scratch().path() / fmt::format("hf{}", count++);
    fs::create_directory(path_);
    const std::string gguf = path_.string() + ".gguf";
    EXPECT_TRUE(testing_models::MakeModel({.n_layer = 1}, gguf));
    EXPECT_TRUE(testing_models::MakeHfDirectory(gguf, path_.string(), shards));
  }
  const fs::path& path() const { return path_; }

  // The key of the error with this file changed, which then is as it was, and the folder good.
  std::string KeyWith(const std::string& name,
                      const std::function<std::string(std::string)>& change) {
    const std::string good = ReadFile(path_ / name);
    WriteFile(path_ / name, change(good));
    const std::string key = KeyOfOpening(path_);
    WriteFile(path_ / name, good);
    const ModelHandle model = OpenModel(path_.string());
    EXPECT_NE(tinyaiGetLayerWeights(model.get(), 1), nullptr) << tinyaiGetErrorMessage();
    return key;
  }
  std::string KeyWithWeights(const std::function<std::string(std::string)>& change) {
    return KeyWith("model.safetensors", change);
  }
  // With the header of the weights changed as JSON.
  std::string KeyWithHeader(const std::function<void(Json&)>& change) {
    return KeyWithWeights([&](const std::string& good) {
      uint64_t length = 0;
      std::memcpy(&length, good.data(), sizeof(length));
      Json header = Json::parse(good.substr(8, length));
      change(header);
      return WithHeader(header.dump(), good.substr(8 + length));
    });
  }
  static std::string WithHeader(const std::string& header, const std::string& data) {
    const uint64_t length = header.size();
    return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header + data;
  }
  std::string KeyWithConfig(const std::function<void(Json&)>& change) {
    return KeyWith("config.json", [&](const std::string& good) {
      Json config = Json::parse(good);
      change(config);
      return config.dump();
    });
  }

 private:
  fs::path path_;
};

// The first tensor of a header.
Json& First(Json& header) {
  for (auto& [name, tensor] : header.items()) {
    if (name != "__metadata__") return tensor;
  }
  return header;
}

TEST(DamagedSafetensors, LengthsAndTextsOfHeaders) {  // C1, C2, C3
  Folder folder;
  for (const uint64_t length :
       {uint64_t{0}, uint64_t{1}, uint64_t{100'000'001}, uint64_t{1} << 63, ~uint64_t{0}}) {
    EXPECT_EQ(folder.KeyWithWeights([&](std::string bytes) {
      std::memcpy(bytes.data(), &length, sizeof(length));
      return bytes;
    }),
              "ST_HEADER_LEN")
        << length;
  }
  EXPECT_EQ(folder.KeyWithWeights([](const std::string& bytes) { return bytes.substr(0, 7); }),
            "ST_HEADER_LEN");
  for (const std::string header : {" {}", "\xEF\xBB\xBF{}", "[]", "{\"a\xFF\": {}}",
                                   "{\"a\": ", "{} x", "{\"a\": NaN}", "{/**/}"}) {
    EXPECT_EQ(
        folder.KeyWithWeights([&](const std::string&) { return Folder::WithHeader(header, ""); }),
        "ST_HEADER_JSON")
        << header;
  }
  const std::string deep = "{\"a\": " + std::string(100'000, '[');
  EXPECT_EQ(folder.KeyWithWeights([&](const std::string&) { return Folder::WithHeader(deep, ""); }),
            "ST_HEADER_JSON");
  const std::string tensor = R"({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})";
  const std::string twice = "{\"a\": " + tensor + ", \"a\": " + tensor + "}";
  EXPECT_EQ(
      folder.KeyWithWeights([&](const std::string&) { return Folder::WithHeader(twice, "1234"); }),
      "ST_DUP_KEY");
  EXPECT_EQ(folder.KeyWithHeader([](Json& header) {
    header["__metadata__"] = {{"format", 1}};
  }),
            "ST_METADATA");
}

TEST(DamagedSafetensors, TypesShapesAndOffsets) {  // C4 to C7
  Folder folder;
  const auto key_with = [&](const std::string& field, const Json& value) {
    return folder.KeyWithHeader([&](Json& header) { First(header)[field] = value; });
  };
  for (const Json& type : {Json("F99"), Json(32), Json()}) {
    EXPECT_EQ(key_with("dtype", type), "ST_DTYPE") << type;
  }
  for (const Json& shape : {Json::array({-1, 64}), Json::array({1.5, 64}), Json("64"),
                            Json::array({uint64_t{1} << 63, 4})}) {
    EXPECT_EQ(key_with("shape", shape), "ST_SHAPE") << shape;
  }
  for (const Json& offsets :
       {Json::array({0}), Json::array({0, 4, 8}), Json::array({-4, 8}), Json::array({8, 4}),
        Json::array({0, uint64_t{1} << 40}), Json::array({0, 4})}) {
    EXPECT_EQ(key_with("data_offsets", offsets), "ST_OFFSETS") << offsets;
  }
  EXPECT_EQ(folder.KeyWithWeights([](const std::string& bytes) { return bytes + "more"; }),
            "ST_NOT_CONTIGUOUS");
}

TEST(DamagedSafetensors, CutFiles) {
  Folder folder;
  for (const double part : {0.1, 0.5, 0.99}) {
    const std::string key = folder.KeyWithWeights([&](const std::string& bytes) {
      return bytes.substr(0, static_cast<size_t>(part * static_cast<double>(bytes.size())));
    });
    EXPECT_TRUE(key == "ST_OFFSETS" || key == "ST_HEADER_LEN") << key;
  }
}

TEST(DamagedSafetensors, IndexesAndShards) {  // C8
  Folder folder(2);
  const std::string index = "model.safetensors.index.json";
  for (const std::string place : {"../x", "/etc/passwd", "a/../../b", "", "a/b"}) {
    EXPECT_EQ(folder.KeyWith(index,
                             [&](const std::string& good) {
                               Json changed = Json::parse(good);
                               changed["weight_map"].begin().value() = place;
                               return changed.dump();
                             }),
              "ST_SHARD_PATH")
        << place;
  }
  EXPECT_EQ(folder.KeyWith(index,
                           [&](const std::string& good) {
                             Json changed = Json::parse(good);
                             changed["weight_map"].begin().value() = "nowhere.safetensors";
                             return changed.dump();
                           }),
            "ST_SHARD_MISSING");
}

TEST(DamagedSafetensors, Configurations) {  // C9, C11
  Folder folder;
  for (const std::string text : {"", "null", "[]", "{"}) {
    EXPECT_EQ(folder.KeyWith("config.json", [&](const std::string&) { return text; }), "CONFIG");
  }
  for (const Json& size : {Json("64"), Json(0), Json(-1), Json(1.5), Json()}) {
    EXPECT_EQ(folder.KeyWithConfig([&](Json& config) { config["hidden_size"] = size; }), "CONFIG")
        << size;
  }
  EXPECT_EQ(folder.KeyWithConfig([](Json& config) { config["architectures"] = Json::array(); }),
            "CONFIG");
  EXPECT_EQ(folder.KeyWith("tokenizer.json",
                           [](const std::string& good) {
                             Json tokenizer = Json::parse(good);
                             tokenizer["model"]["vocab"]["one too many"] = 512;
                             return tokenizer.dump();
                           }),
            "MODEL_VOCAB");
}

TEST(DamagedSafetensors, FoldersOfOtherThings) {  // C10, C13
  const fs::path folder = Scratch().path() / "pickled";
  fs::create_directory(folder);
  EXPECT_EQ(KeyOfOpening(folder), "OPEN");
  WriteFile(folder / "config.json", "{}");
  WriteFile(folder / "pytorch_model.bin", "a program");
  EXPECT_EQ(KeyOfOpening(folder), "MODEL_FORMAT");
  Folder good;
  fs::create_directory_symlink(good.path(), good.path() / "itself");
  WriteFile(good.path() / "a\nname", "");
  EXPECT_EQ(tinyaiGetMappedLayerCount(OpenModel(good.path().string()).get()), 4);
}

void FlipBit(const std::string& path, uint64_t at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ 4));
}

uint64_t FieldAt(const std::string& path, uint64_t at) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  uint64_t value = 0;
  file.read(reinterpret_cast<char*>(&value), sizeof(value));
  return value;
}

// Where the header of a .tmai file says what (docs/tmai.md).
constexpr uint64_t kVersionAt = 8, kRequiredAt = 16, kDataAt = 48, kChecksumsAt = 64,
                   kDirectoryAt = 72, kMetadataAt = 96;

TEST(DamagedTmai, AnyFlippedBitOfHeaderAndTablesIsFoundWhenItIsOpened) {  // D1, D2
  const std::string path = Chain(3, kWidth);
  for (const uint64_t at : {kVersionAt, kRequiredAt, kRequiredAt + 5, kDataAt, kChecksumsAt,
                            kDirectoryAt + 16, uint64_t{4000}}) {
    FlipBit(path, at);
    const std::string key = KeyOfOpening(path);
    EXPECT_TRUE(key == "TMAI_HEADER" || key == "TMAI_VERSION") << key << " " << at;
    FlipBit(path, at);
  }
  for (const uint64_t section : {kDirectoryAt, kMetadataAt}) {
    const uint64_t begin = FieldAt(path, section), bytes = FieldAt(path, section + 8);
    for (const uint64_t at : {begin, begin + bytes / 2, begin + bytes - 1}) {
      FlipBit(path, at);
      EXPECT_EQ(KeyOfOpening(path), "TMAI_TABLE") << at;
      FlipBit(path, at);
    }
  }
  for (const double part : {0.0, 0.3, 0.99}) {
    const std::string cut = path + ".cut", bytes = ReadFile(path);
    WriteFile(cut, bytes.substr(0, static_cast<size_t>(part * static_cast<double>(bytes.size()))));
    const std::string key = KeyOfOpening(cut);
    EXPECT_TRUE(key.starts_with("TMAI_") || key == "GGUF_TRUNCATED" || key == "MODEL_FORMAT" ||
                key == "GGUF_MAGIC")
        << key;
  }
  EXPECT_NE(tinyaiGetLayerWeights(OpenModel(path).get(), 2), nullptr) << "it is whole again";
}

// A damaged weight, or the checksum of one, is an error of all that would compute with it.
TEST(DamagedTmai, NoResultComesOfADamagedBlock) {  // D2
  const std::string path = Chain(3, kWidth);
  const uint64_t weights = tinyaiGetLayerDescriptor(OpenModel(path).get(), 1)->offset;
  const uint64_t checksum =
      FieldAt(path, kChecksumsAt) + (weights - FieldAt(path, kDataAt)) / 4096 * 8;
  for (const uint64_t at : {weights + 77, checksum}) {
    FlipBit(path, at);
    const ModelHandle model = OpenModel(path);
    EXPECT_EQ(tinyaiGetLayerWeights(model.get(), 1), nullptr);
    EXPECT_EQ(LastKey(), "TMAI_CHECKSUM");
    for (const TinyAIExecutionMode mode : {TINYAI_EXEC_NORMAL, TINYAI_EXEC_STREAMING}) {
      const SchedulerHandle scheduler = MakeScheduler(model, 0, mode);
      for (int i = 0; i < 3; ++i) AddChainLayer(scheduler, i);
      std::vector<float> input(kWidth, 1), output(kWidth, -7);
      bool ran = tinyaiPrepareForwardPass(scheduler.get());
      while (ran) {
        ran = tinyaiExecuteNextLayer(scheduler.get(), input.data(), output.data(), nullptr);
      }
      EXPECT_EQ(LastKey(), "TMAI_CHECKSUM");
      EXPECT_FALSE(tinyaiIsLayerExecuted(scheduler.get(), 1));
      EXPECT_EQ(output, std::vector<float>(kWidth, -7));
    }
    TinyAIMixedPrecisionConfig precision;
    tinyaiInitMixedPrecisionConfig(&precision);
    precision.ffnPrecision = TINYAI_PREC_INT8;
    EXPECT_FALSE(tinyaiApplyMixedPrecision(model.get(), &precision));
    EXPECT_EQ(LastKey(), "TMAI_CHECKSUM");
    EXPECT_NE(tinyaiGetLayerWeights(model.get(), 2), nullptr) << "the next call works";
    FlipBit(path, at);
  }
}

TEST(DamagedPlan, OfAnotherModelIsRefused) {  // D4
  const ModelHandle model = OpenModel(MakeTextModel(2)), other = OpenModel(MakeTextModel(3));
  TinyAISessionConfig config;
  tinyaiInitSessionConfig(&config);
  config.context = 32;
  const Handle<TinyAISessionPlan> plan(tinyaiPlanSession(model.get(), &config),
                                       tinyaiFreeSessionPlan);
  ASSERT_NE(plan, nullptr) << tinyaiGetErrorMessage();
  const std::string text = tinyaiGetSessionPlanText(plan.get());
  EXPECT_EQ(tinyaiReadSessionPlan(other.get(), &config, text.c_str()), nullptr);
  EXPECT_EQ(LastKey(), "PLAN_MISMATCH");
  for (const double part : {0.2, 0.9}) {
    const auto size = static_cast<size_t>(part * static_cast<double>(text.size()));
    EXPECT_EQ(tinyaiReadSessionPlan(model.get(), &config, text.substr(0, size).c_str()), nullptr);
    EXPECT_TRUE(LastKey().starts_with("PLAN_") || LastKey().starts_with("SCHEDULE_")) << LastKey();
  }
}

// While it exists, no file grows beyond so many bytes: a disk that is full in the middle.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_ = {};
};

TEST(Saving, IsRefusedWhereItWouldDestroySomething) {  // I9, E13, E16
  const fs::path folder = Scratch().path() / "saving";
  fs::create_directory(folder);
  const fs::path path = folder / "in.tmai";
  fs::copy(Chain(3, kWidth), path);
  const ModelHandle model = OpenModel(path.string());
  fs::create_hard_link(path, folder / "hard");
  fs::create_symlink(path, folder / "soft");
  for (const char* name : {"in.tmai", "hard", "soft"}) {
    EXPECT_FALSE(tinyaiSaveModel(model.get(), (folder / name).c_str())) << name;
    EXPECT_EQ(LastKey(), "OUTPUT_IS_INPUT");
  }
  EXPECT_FALSE(tinyaiSaveModel(model.get(), folder.c_str()));
  EXPECT_EQ(LastKey(), "OUTPUT_TARGET");
  EXPECT_FALSE(tinyaiSaveModel(model.get(), (folder / "no/such/folder").c_str()));
  const fs::path out = folder / "out.tmai";
  WriteFile(out, "old");
  {
    const FileSizeLimit limit(20'000);
    EXPECT_FALSE(tinyaiSaveModel(model.get(), out.c_str()));
    EXPECT_EQ(LastKey(), "IO_WRITE");
  }
  EXPECT_EQ(ReadFile(out), "old");
  EXPECT_EQ(CountEntries(folder.c_str()), 4) << "nothing was left";
  ASSERT_TRUE(tinyaiSaveModel(model.get(), out.c_str())) << tinyaiGetErrorMessage();
  EXPECT_EQ(tinyaiGetMappedLayerCount(OpenModel(out.string()).get()), 3);
}

}  // namespace
}  // namespace tinyai::capi
