// The figure "Same bits": logits do not depend on memory, threads, I/O path or chunks.

#include "engine/engine_test_support.h"
#include "fmt/format.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

struct Variant {
  std::optional<double> share;  // of the model's bytes beyond the least budget; none: unlimited
  uint32_t threads;
  IoPath path;
  uint64_t chunk;
};

std::string Show(const Variant& v) {
  return fmt::format("memory {}, threads {}, {}, chunk {}", v.share.value_or(-1), v.threads,
                     Name(v.path), v.chunk);
}

const std::vector<std::optional<double>> kShares = {std::nullopt, 0.5, 0.125, 0.0};
constexpr IoPath kPaths[] = {IoPath::kUring, IoPath::kDirect, IoPath::kBuffered};
constexpr uint64_t kChunks[] = {1, 7, 512};

std::vector<Variant> AllVariants() {
  std::vector<Variant> out;
  for (const auto& share : kShares) {
    for (const uint32_t threads : {1u, 2u}) {
      for (const IoPath path : kPaths) {
        for (const uint64_t chunk : kChunks) out.push_back({share, threads, path, chunk});
      }
    }
  }
  return out;
}

// Every pair of values of two settings occurs, most of them once.
std::vector<Variant> SomeVariants() {
  std::vector<Variant> out;
  for (size_t i = 0; i < kShares.size(); ++i) {
    for (size_t j = 0; j < 3; ++j) {
      out.push_back(
          {kShares[i], 1 + static_cast<uint32_t>((i + j) % 2), kPaths[j], kChunks[(i + j) % 3]});
    }
  }
  return out;
}

Result<std::vector<Logits>> Run(const std::shared_ptr<const Model>& model, const Variant& variant,
                                const std::vector<TokenId>& prompt) {
  SessionOptions options{
      .context = 64, .threads = variant.threads, .chunk = variant.chunk, .io_path = variant.path};
  if (variant.share) {
    const double more = *variant.share * static_cast<double>(model->bytes());
    options.memory_bytes = LeastBudget(*model, options) + static_cast<uint64_t>(more);
  }
  const std::unique_ptr<Session> session = OpenSession(model, options);
  if (session == nullptr) return Fail(ErrorCode::kOther, "NO_SESSION", "");
  // Of the first plan: on a crowded machine there may be others in its memory.
  const uint64_t predicted_bytes = session->plan().report.predicted_peak_bytes;
  TRY_ASSIGN(std::vector<Logits> logits, Continue(*session, prompt, 3));
  const SessionStats stats = session->stats();
  EXPECT_LE(stats.counted_peak_bytes, stats.budget_bytes);
  EXPECT_EQ(stats.counted_peak_bytes, predicted_bytes);
  EXPECT_TRUE(variant.share != 0.0 || session->plan().plan.streamed_bytes > 0);
  return logits;
}

void ExpectSameBits(const std::string& path, const std::vector<Variant>& variants,
                    const ModelOptions& options = {}) {
  const std::shared_ptr<const Model> model = OpenModel(path, options);
  ASSERT_NE(model, nullptr);
  const std::vector<TokenId> prompt = SomeTokens(23, model->graph().vocabulary);
  const auto expected = Run(model, {std::nullopt, 1, IoPath::kBuffered, 23}, prompt);
  ASSERT_TRUE(expected) << Describe(expected.error());
  for (const Variant& variant : variants) {
    const auto logits = Run(model, variant, prompt);
    ASSERT_TRUE(logits) << Describe(logits.error()) << " " << Show(variant);
    EXPECT_TRUE(*logits == *expected) << path << " " << Show(variant);
  }
}

TEST(SameBits, WhateverMemoryThreadsPathAndChunk) {
  ModelSpec spec = WideSpec(DType::kQ4_0);
  spec.types = {{"blk.0.ffn_down.weight", DType::kQ6_K}, {"blk.1.attn_v.weight", DType::kF16}};
  spec.output_type = DType::kQ8_0;
  ExpectSameBits(MakeFile(spec), AllVariants());
}

TEST(SameBits, InEveryMode) {
  const std::shared_ptr<const Model> model = OpenModel(MakeFile(WideSpec(DType::kQ4_0)), {});
  const std::vector<TokenId> prompt = SomeTokens(23, model->graph().vocabulary);
  const auto expected = tinyai::Run(model, {std::nullopt, 1, IoPath::kBuffered, 23}, prompt);
  ASSERT_TRUE(expected);
  std::vector<uint64_t> peaks;
  for (const auto& [mode, speed] :
       {std::pair(PlanMode::kStreaming, 1.0), std::pair(PlanMode::kMemoryOptimised, 1.0),
        std::pair(PlanMode::kNormal, 1.0), std::pair(PlanMode::kAdaptive, 0.5)}) {
    const std::unique_ptr<Session> session =
        OpenSession(model, {.context = 64, .threads = 2, .mode = mode, .speed = speed});
    ASSERT_NE(session, nullptr);
    const uint64_t predicted_bytes = session->plan().report.predicted_peak_bytes;
    const auto logits = Continue(*session, prompt, 3);
    ASSERT_TRUE(logits) << Describe(logits.error());
    EXPECT_TRUE(*logits == *expected) << Name(mode);
    const SessionStats stats = session->stats();
    EXPECT_EQ(stats.counted_peak_bytes, predicted_bytes);
    peaks.push_back(stats.counted_peak_bytes);
  }
  EXPECT_LT(peaks[0], peaks[1]);
  EXPECT_LT(peaks[1], peaks[2]);
}

TEST(SameBits, ForEveryTypeOfTensor) {
  for (const DType type :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
        DType::kQ5_0, DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    ExpectSameBits(MakeFile(WideSpec(type)), SomeVariants());
  }
}

TEST(SameBits, ForEveryFamily) {
  for (const std::string family : {"qwen2", "qwen3"}) {
    ModelSpec spec = WideSpec(DType::kQ5_0);
    spec.architecture = family;
    spec.tied = family == "qwen2";
    ExpectSameBits(MakeFile(spec), SomeVariants());
  }
}

TEST(SameBits, WithFloatActivations) {
  ExpectSameBits(MakeFile(WideSpec(DType::kQ4_K)), SomeVariants(), {.quantize_activations = false});
}

TEST(SameBits, ForTheSharedModels) {
  for (const std::string name : {"tales-q8_0.gguf", "mini-mixed-tied.gguf", "tiny-f16.gguf"}) {
    const std::string path = SharedModels() + name;
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is missing; set TINYAI_SHARED";
    ExpectSameBits(path, SomeVariants());
  }
}

}  // namespace
}  // namespace tinyai
