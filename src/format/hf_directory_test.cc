#include "format/hf_directory.h"

#include <cstring>

#include "base/float16.h"
#include "format/hf_test_support.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

std::string_view KeyOf(const HfFiles& files) {
  const Result<ModelFile> file = ReadHfFiles(files);
  return file ? std::string_view() : file.error().key;
}

std::string_view KeyWith(const std::string& name, const std::string& text) {
  HfFiles files = SmallHfFiles();
  files[name] = text;
  return KeyOf(files);
}

// The small config with one key changed; an empty value leaves the key out.
std::string Config(const std::string& key, const std::string& value) {
  std::string text = kSmallConfig;
  const std::string quoted = "\"" + key + "\": ";
  if (const size_t at = text.find(quoted); at != std::string::npos) {
    size_t end = at + quoted.size();
    for (int depth = 0; depth > 0 || (text[end] != ',' && text[end] != '}'); ++end) {
      depth += text[end] == '[' ? 1 : text[end] == ']' ? -1 : 0;
    }
    if (text[end] == ',') ++end;
    text.erase(at, end - at);
  }
  if (!value.empty()) text.insert(1, quoted + value + ", ");
  return text;
}

std::string_view KeyWithConfig(const std::string& key, const std::string& value) {
  return KeyWith("config.json", Config(key, value));
}

TEST(HfDirectory, BecomesWhatAGgufWouldSay) {
  std::vector<std::unique_ptr<ByteSource>> parts;
  const Result<ModelFile> file = ReadHfDirectory(InMemoryDirectory(SmallHfFiles()), parts);
  ASSERT_TRUE(file) << Describe(file.error());
  EXPECT_EQ(file->format, "safetensors");
  EXPECT_EQ(file->metadata.OptionalString("general.architecture").value(), "llama");
  EXPECT_EQ(file->metadata.OptionalUint("llama.attention.key_length").value(), 2u);
  EXPECT_EQ(file->metadata.OptionalBool("llama.rope.adjacent").value(), false);
  EXPECT_EQ(file->metadata.OptionalUint("tokenizer.ggml.eos_token_id").value(), 2u);
  EXPECT_EQ(file->metadata.OptionalUint("tokenizer.ggml.eot_token_id").value(), 3u);
  EXPECT_EQ(file->metadata.OptionalUint("tokenizer.ggml.unknown_token_id").value(), 0u);
  std::vector<std::string> tokens;
  ASSERT_TRUE(file->metadata.VisitStrings("tokenizer.ggml.tokens",
                                          [&](uint64_t, std::string_view text) -> Status {
                                            tokens.emplace_back(text);
                                            return {};
                                          }));
  EXPECT_EQ(tokens, (std::vector<std::string>{"<unk>", "<s>", "</s>", "a", "aa", "[PAD5]"}));
  EXPECT_EQ(file->metadata.OptionalInts("tokenizer.ggml.token_type").value(),
            (std::vector<int64_t>{2, 3, 3, 1, 1, 5}));
  const TensorInfo* embedding = file->FindTensor("token_embd.weight");
  ASSERT_NE(embedding, nullptr);
  EXPECT_EQ(embedding->type, DType::kBF16);
  EXPECT_EQ(embedding->dims, (std::array<uint64_t, 4>{4, 6, 1, 1}));
  const TensorInfo* norm = file->FindTensor("output_norm.weight");
  ASSERT_NE(norm, nullptr);
  EXPECT_EQ(norm->type, DType::kF32);
  std::array<float, 4> values{};
  ASSERT_TRUE(parts[norm->part]->ReadAt(norm->offset, std::as_writable_bytes(std::span(values))));
  for (const float value : values) EXPECT_EQ(value, F16ToFloat(0x3C3C));
  EXPECT_EQ(file->warnings.size(), 1u) << "one tensor is not known";
}

TEST(HfDirectory, ConfigsThatMakeNoSense) {  // C9
  HfFiles without = SmallHfFiles();
  without.erase("config.json");
  EXPECT_EQ(KeyOf(without), "CONFIG");
  for (const std::string text : {"", "null", "[]", "{", "1", "{} {}"}) {
    EXPECT_EQ(KeyWith("config.json", text), "CONFIG") << text;
  }
  const std::string huge(17 << 20, ' ');
  EXPECT_EQ(KeyWith("config.json", huge), "CONFIG");
  for (const std::string key : {"hidden_size", "num_hidden_layers", "intermediate_size",
                                "num_attention_heads", "max_position_embeddings", "vocab_size"}) {
    EXPECT_EQ(KeyWithConfig(key, ""), "CONFIG") << key;
    for (const std::string value : {"\"64\"", "0", "-4", "1.5", "1e400", "[]", "{}", "true", "null",
                                    "18446744073709551615"}) {
      EXPECT_EQ(KeyWithConfig(key, value), "CONFIG") << key << " " << value;
    }
  }
  for (const std::string value : {"[]", "[1]", "\"llama\"", "{}"}) {
    EXPECT_EQ(KeyWithConfig("architectures", value), "CONFIG") << value;
  }
  EXPECT_EQ(KeyWithConfig("num_hidden_layers", "100000"), "CONFIG");
  EXPECT_EQ(KeyWithConfig("num_attention_heads", "3"), "CONFIG");
  EXPECT_EQ(KeyWithConfig("rms_norm_eps", "-1"), "CONFIG");
  EXPECT_EQ(KeyWithConfig("rope_theta", "0"), "CONFIG");
  EXPECT_EQ(KeyWithConfig("rope_scaling", "1"), "CONFIG");
  EXPECT_EQ(KeyWithConfig("rope_scaling", R"({"type": "linear"})"), "CONFIG");
  EXPECT_EQ(KeyWithConfig("hidden_act", "\"gelu\""), "CONFIG");
  EXPECT_EQ(KeyWithConfig("eos_token_id", "[\"a\"]"), "CONFIG");
}

TEST(HfDirectory, WhatIsNotSupportedIsSaidSo) {
  EXPECT_EQ(KeyWithConfig("architectures", "[\"GPT2LMHeadModel\"]"), "MODEL_ARCH");
  EXPECT_EQ(KeyWithConfig("rope_scaling", R"({"type": "dynamic", "factor": 2})"), "MODEL_ROPE");
  HfFiles files = SmallHfFiles();
  files["config.json"] = Config("quantization_config", "{\"bits\": 4}");
  EXPECT_EQ(ReadHfFiles(files).error().code, ErrorCode::kUnsupported);
}

TEST(HfDirectory, RopeScalingOfEachKindIsTaken) {
  HfFiles files = SmallHfFiles();
  files["config.json"] = Config("rope_scaling", R"({"rope_type": "yarn", "factor": 4.0,)"
                                                R"( "original_max_position_embeddings": 32})");
  Result<ModelFile> file = ReadHfFiles(files);
  ASSERT_TRUE(file) << Describe(file.error());
  EXPECT_EQ(file->metadata.OptionalString("llama.rope.scaling.type").value(), "yarn");
  EXPECT_EQ(file->metadata.OptionalUint("llama.rope.scaling.original_context_length").value(), 32u);
  files["config.json"] =
      Config("rope_scaling", R"({"rope_type": "llama3", "factor": 8, "low_freq_factor": 1,)"
                             R"( "high_freq_factor": 4, "original_max_position_embeddings": 32})");
  file = ReadHfFiles(files);
  ASSERT_TRUE(file) << Describe(file.error());
  EXPECT_NE(file->FindTensor("rope_freqs.weight"), nullptr);
}

TEST(HfDirectory, FoldersWithoutWeightsWeRead) {  // C10
  HfFiles files = SmallHfFiles();
  files.erase("model.safetensors");
  EXPECT_EQ(KeyOf(files), "ST_SHARD_MISSING");
  EXPECT_EQ(KeyOf({}), "OPEN") << "any other folder";
  for (const std::string name : {"pytorch_model.bin", "model.pt", "consolidated.00.pth"}) {
    HfFiles pickled = files;
    pickled[name] = "programs";
    const Result<ModelFile> file = ReadHfFiles(pickled);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().key, "MODEL_FORMAT");
    EXPECT_EQ(file.error().code, ErrorCode::kUnsupported);
  }
}

TEST(HfDirectory, ShardsThatDoNotFitTheirIndex) {  // C8
  const std::string whole = SmallHfFiles()["model.safetensors"];
  const auto key_of = [&](const std::string& map, HfFiles more) {
    HfFiles files = SmallHfFiles();
    files.erase("model.safetensors");
    files["model.safetensors.index.json"] = "{\"weight_map\": {" + map + "}}";
    files.merge(more);
    return KeyOf(files);
  };
  const std::string good = R"("model.embed_tokens.weight": "1.safetensors",)"
                           R"( "model.norm.weight": "1.safetensors")";
  EXPECT_EQ(key_of(good, {{"1.safetensors", whole}}), "");
  EXPECT_EQ(key_of(good, {}), "ST_SHARD_MISSING");
  EXPECT_EQ(key_of(good + R"(, "lm_head.weight": "1.safetensors")", {{"1.safetensors", whole}}),
            "ST_SHARD_MISSING");
  EXPECT_EQ(key_of(good + R"(, "x": "2.safetensors")",
                   {{"1.safetensors", whole}, {"2.safetensors", whole}}),
            "ST_DUP_KEY");
  EXPECT_EQ(
      key_of(
          R"("model.norm.weight": "2.safetensors", "model.embed_tokens.weight": "1.safetensors")",
          {{"1.safetensors", whole}, {"2.safetensors", SafetensorsBytes("{}", 0)}}),
      "ST_SHARD_MISSING");
}

TEST(HfDirectory, TokenizersOfAnotherModel) {  // C11
  const auto key_with = [](const std::string& from, const std::string& to) {
    std::string text = kSmallTokenizer;
    text.replace(text.find(from), from.size(), to);
    return KeyWith("tokenizer.json", text);
  };
  EXPECT_EQ(key_with("\"aa\": 4", "\"aa\": 6"), "MODEL_VOCAB");
  EXPECT_EQ(key_with("\"aa\": 4", "\"aa\": 3"), "MODEL_VOCAB") << "two tokens of one id";
  EXPECT_EQ(key_with("\"aa\": 4", "\"aa\": -1"), "MODEL_VOCAB");
  EXPECT_EQ(key_with("\"aa\": 4", "\"aa\": \"4\""), "MODEL_VOCAB");
  EXPECT_EQ(key_with("{\"id\": 2,", "{\"id\": 9999999999,"), "MODEL_VOCAB");
  EXPECT_EQ(key_with("{\"id\": 2,", "{\"id\": 1,"), "MODEL_VOCAB");
  EXPECT_EQ(key_with("{\"id\": 2,", "{"), "TOKENIZER");
  EXPECT_EQ(key_with("\"BPE\"", "\"Unigram\""), "MODEL_VOCAB") << "no scores";
  EXPECT_EQ(key_with("\"BPE\"", "\"WordPiece\""), "TOKENIZER_UNSUPPORTED");
  EXPECT_EQ(key_with("\"byte_fallback\": true", "\"byte_fallback\": false"),
            "TOKENIZER_UNSUPPORTED");
  EXPECT_EQ(key_with("[\"a a\"]", "[1]"), "MODEL_MERGES");
  EXPECT_EQ(key_with("[\"a a\"]", "[[\"a\"]]"), "MODEL_MERGES");
  EXPECT_EQ(key_with("[\"a a\"]", "[[\"a\", \"a\", \"a\"]]"), "MODEL_MERGES");
  EXPECT_EQ(key_with("[\"a a\"]", "[[\"a\", \"a\"]]"), "");
  EXPECT_EQ(key_with("[\"a a\"]", "{}"), "MODEL_MERGES");
  EXPECT_EQ(KeyWith("tokenizer.json", "{\"model\": " + std::string(1'000'000, '[')), "TOKENIZER");
  EXPECT_EQ(KeyWith("tokenizer.json", "{}"), "TOKENIZER");
  EXPECT_EQ(KeyWithConfig("bos_token_id", "6"), "") << "the tokenizer's own settings come first";
  EXPECT_EQ(KeyWithConfig("eos_token_id", "[2, 6]"), "MODEL_SPECIAL_TOKEN");
  HfFiles files = SmallHfFiles();
  files.erase("tokenizer.json");
  EXPECT_EQ(KeyOf(files), "TOKENIZER");
  files["tokenizer.model"] = "sentencepiece";
  EXPECT_EQ(KeyOf(files), "TOKENIZER_UNSUPPORTED");
}

TEST(HfDirectory, ByteLevelTokenizersAreKnownByTheirPattern) {
  const auto pre_of = [](const std::string& pre) {
    HfFiles files = SmallHfFiles();
    files["tokenizer.json"] =
        R"({"pre_tokenizer": )" + pre +
        R"(, "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})";
    const Result<ModelFile> file = ReadHfFiles(files);
    if (!file) return std::string(file.error().key);
    return std::string(*file->metadata.OptionalString("tokenizer.ggml.pre").value());
  };
  EXPECT_EQ(pre_of(R"({"type": "ByteLevel", "add_prefix_space": false})"), "gpt-2");
  const std::string qwen =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+)"
      R"([\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)";
  const auto split = [](const std::string& pattern) {
    return R"({"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": ")" +
           pattern + R"("}}, {"type": "ByteLevel", "use_regex": false}]})";
  };
  EXPECT_EQ(pre_of(split(qwen)), "qwen2");
  EXPECT_EQ(pre_of(split("(a+)+$")), "TOKENIZER_UNSUPPORTED");
  EXPECT_EQ(pre_of(R"({"type": "ByteLevel", "use_regex": false})"), "TOKENIZER_UNSUPPORTED");
}

TEST(HfDirectory, UnigramTokenizersAreWhatTheirStepsSay) {
  const auto read = [](const std::string& normalizer, const std::string& pre,
                       const std::string& vocab) {
    HfFiles files = SmallHfFiles();
    files["tokenizer.json"] =
        R"({"normalizer": )" + normalizer + R"(, "pre_tokenizer": )" + pre +
        R"(, "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": true, "vocab": )" + vocab +
        "}}";
    return ReadHfFiles(files);
  };
  const auto key_of = [&](const std::string& normalizer, const std::string& pre,
                          const std::string& vocab) {
    const Result<ModelFile> file = read(normalizer, pre, vocab);
    return file ? std::string_view() : file.error().key;
  };
  const std::string map = R"({"type": "Precompiled", "precompiled_charsmap": "BAAAAAAAAAAA"})";
  const std::string normalizer = R"({"type": "Sequence", "normalizers": [)" + map +
                                 R"(, {"type": "Replace", "pattern": {"Regex": " {2,}"},)"
                                 R"( "content": " "}]})";
  const std::string pre =
      R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": false})";
  const std::string vocab = R"([["<unk>", 0], ["<0x41>", -1.5], ["▁a", -2]])";
  const Result<ModelFile> file = read(normalizer, pre, vocab);
  ASSERT_TRUE(file) << Describe(file.error());
  const Metadata& keys = file->metadata;
  EXPECT_EQ(keys.OptionalString("tokenizer.ggml.model").value(), "t5");
  EXPECT_EQ(keys.OptionalFloats("tokenizer.ggml.scores").value(),
            (std::vector<float>{0, -1.5F, -2, 0, 0, 0}));
  EXPECT_EQ(keys.OptionalInts("tokenizer.ggml.token_type").value(),
            (std::vector<int64_t>{2, 6, 1, 5, 5, 5}));
  EXPECT_EQ(keys.OptionalBool("tokenizer.ggml.add_space_prefix").value(), true);
  EXPECT_EQ(keys.OptionalBool("tokenizer.tmai.split_words").value(), false);
  EXPECT_EQ(keys.OptionalBool("tokenizer.tmai.one_space").value(), true);
  EXPECT_EQ(keys.OptionalInts("tokenizer.ggml.precompiled_charsmap").value(),
            (std::vector<int64_t>{4, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(key_of(R"({"type": "NFKC"})", pre, vocab), "TOKENIZER_UNSUPPORTED");
  EXPECT_EQ(key_of("null", R"({"type": "BertPreTokenizer"})", vocab), "TOKENIZER_UNSUPPORTED");
  EXPECT_EQ(key_of(R"({"type": "Precompiled", "precompiled_charsmap": "?"})", pre, vocab),
            "TOKENIZER");
  EXPECT_EQ(key_of("null", pre, R"([["a"]])"), "TOKENIZER");
  EXPECT_EQ(key_of("null", pre, R"([["a", "b"]])"), "TOKENIZER");
  EXPECT_EQ(key_of("null", pre, R"([["a", 1, 2]])"), "TOKENIZER");
  EXPECT_EQ(key_of("null", pre, R"([[["a", 1]]])"), "TOKENIZER");
  EXPECT_EQ(key_of("null", pre, R"([["a", 1e60]])"), "MODEL_VOCAB");
  EXPECT_EQ(key_of("null", pre,
                   R"([["a", 1], ["b", 1], ["c", 1], ["d", 1], ["e", 1],)"
                   R"( ["f", 1], ["g", 1]])"),
            "MODEL_VOCAB");
}

TEST(HfDirectory, VocabulariesOfAnotherSizeThanTheEmbedding) {
  EXPECT_EQ(KeyWithConfig("vocab_size", "7"), "MODEL_VOCAB");
  EXPECT_EQ(KeyWithConfig("vocab_size", "1000000000"), "MODEL_VOCAB");
}

}  // namespace
}  // namespace tinyai
