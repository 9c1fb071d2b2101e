#include "engine/session.h"

#include <cstring>
#include <filesystem>
#include <thread>

#include "engine/engine_test_support.h"
#include "engine/generate.h"
#include "format/gguf_writer.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

namespace fs = std::filesystem;
const std::vector<TokenId> kPrompt = {1, 300, 17, 44, 5};

TEST(Session, CountsThePositionAndRefusesWhatDoesNotFit) {
  const auto model = OpenModel(MakeFile({}));
  const auto session = OpenSession(model, {.context = 8});
  ASSERT_TRUE(Feed(*session, kPrompt));
  EXPECT_EQ(session->position(), 5u);
  const auto full = session->Feed(std::vector<TokenId>{1, 2, 3, 4});
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().key, "CONTEXT_FULL");
  EXPECT_EQ(session->position(), 5u);  // nothing was done
  for (const TokenId bad : {-1, 512, 1 << 30}) {
    const auto refused = session->Feed(std::vector<TokenId>{1, bad});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().key, "BAD_TOKEN");
  }
  EXPECT_EQ(session->Feed({}).error().key, "BAD_TOKEN");
  EXPECT_TRUE(session->Feed(std::vector<TokenId>{1, 2, 3}));
  EXPECT_EQ(session->Feed(std::vector<TokenId>{1}).error().key, "CONTEXT_FULL");
}

TEST(Session, ForgetsOnReset) {
  const auto model = OpenModel(MakeFile({}));
  const auto session = OpenSession(model, {.context = 16});
  const auto first = Feed(*session, kPrompt);
  ASSERT_TRUE(first);
  ASSERT_TRUE(Feed(*session, {9, 9, 9}));
  session->Reset();
  EXPECT_EQ(session->position(), 0u);
  EXPECT_EQ(*Feed(*session, kPrompt), *first);
}

TEST(Session, ReportsProgressAfterEachChunk) {
  const auto model = OpenModel(MakeFile({}));
  const auto session = OpenSession(model, {.context = 16, .chunk = 2});
  std::vector<size_t> heard;
  ASSERT_TRUE(session->Feed(kPrompt, [&](size_t done) {
    heard.push_back(done);
    return true;
  }));
  EXPECT_EQ(heard, (std::vector<size_t>{2, 4, 5}));
}

TEST(Session, StopsBetweenChunksAndKeepsWhatWasDone) {
  const auto model = OpenModel(MakeFile({}));
  const auto whole = OpenSession(model, {.context = 16});
  const auto expected = Feed(*whole, kPrompt);
  const auto session = OpenSession(model, {.context = 16, .chunk = 2});
  const auto stopped = session->Feed(kPrompt, [](size_t done) { return done < 4; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().key, "CANCELLED");
  EXPECT_EQ(session->position(), 4u);
  EXPECT_EQ(*Feed(*session, {kPrompt[4]}), *expected);
  // What was forgotten is computed again, to the same bits.
  session->Rewind(2);
  EXPECT_EQ(session->position(), 2u);
  EXPECT_EQ(*Feed(*session, {kPrompt[2], kPrompt[3], kPrompt[4]}), *expected);
}

TEST(Session, ChargesTheProcessAndGivesBack) {
  const auto model = OpenModel(MakeFile({}));
  Budget process("process", Budget::kUnlimited);
  Result<SessionPlan> plan = PlanSession(*model, {.context = 16}, TestMachine());
  ASSERT_TRUE(plan);
  auto session = Session::Open(model, std::move(*plan), process);
  ASSERT_TRUE(session);
  EXPECT_EQ(process.used_bytes(), (*session)->stats().counted_peak_bytes);
  session->reset();
  EXPECT_EQ(process.used_bytes(), 0u);
  Budget small("process", 1 << 20);
  plan = PlanSession(*model, {.context = 16}, TestMachine());
  session = Session::Open(model, std::move(*plan), small);
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().key, "BUDGET_EXCEEDED");
  EXPECT_EQ(small.used_bytes(), 0u);
}

// A machine whose disk is said to be so fast that the real one is far more than ten times slower.
Machine Boasting() {
  Machine machine = TestMachine();
  machine.rates = {.measured = true,
                   .memory_bytes_per_second = 1e15,
                   .disk_bytes_per_second = 1e15,
                   .product_bytes_per_second = 1e15,
                   .meeting_seconds = 0,
                   .compute_macs_per_second = 1e18,
                   .request_seconds = 1e-9};
  return machine;
}

TEST(Session, PlansAgainWhereWhatIsMeasuredContradictsThePlan) {
  const auto model = OpenModel(MakeFile(WideSpec()));
  constexpr int kSteps = 20;
  for (const uint64_t more : {uint64_t{0}, uint64_t{300} << 10}) {
    SessionOptions options{.context = 64};
    options.memory_bytes = LeastBudget(*model, options) + more;
    const auto usual = OpenSession(model, {.context = 64});
    const auto expected = Continue(*usual, kPrompt, kSteps);
    ASSERT_TRUE(expected);
    Result<SessionPlan> plan = PlanSession(*model, options, Boasting());
    ASSERT_TRUE(plan);
    ASSERT_GT(plan->plan.streamed_bytes, 0u);
    const double promised = plan->report.predicted_tokens_per_second;
    auto session = Session::Open(model, *plan, Process());
    ASSERT_TRUE(session) << Describe(session.error());
    const auto logits = Continue(**session, kPrompt, kSteps);
    ASSERT_TRUE(logits) << Describe(logits.error());
    EXPECT_TRUE(*logits == *expected) << "the same bits, in a budget with " << more << " more";
    const SessionStats stats = (*session)->stats();
    EXPECT_GE(stats.replans, 1u);
    EXPECT_LE(stats.counted_peak_bytes, *options.memory_bytes);
    EXPECT_GT(stats.run.passes, uint64_t{kSteps});  // of all executors
    EXPECT_LT((*session)->plan().report.predicted_tokens_per_second, promised / Drift::kFarOff);
  }
}

TEST(Session, DoesNotChangeAPlanThatAUserHasMade) {
  const auto model = OpenModel(MakeFile(WideSpec()));
  SessionOptions options{.context = 64};
  options.memory_bytes = LeastBudget(*model, options);
  Result<SessionPlan> planned = PlanSession(*model, options, Boasting());
  ASSERT_TRUE(planned);
  Result<SessionPlan> adopted =
      AdoptPlan(*model, options, Boasting(), {planned->plan, planned->purpose});
  ASSERT_TRUE(adopted) << Describe(adopted.error());
  auto session = Session::Open(model, std::move(*adopted), Process());
  ASSERT_TRUE(session);
  ASSERT_TRUE(Continue(**session, kPrompt, 20));
  EXPECT_EQ((*session)->stats().replans, 0u);
}

TEST(PlanSession, TheLeastBudgetRunsAndOneByteLessIsRefused) {
  for (const uint64_t context : {1u, 64u, 256u}) {
    const auto model = OpenModel(MakeFile(WideSpec()));
    SessionOptions options{.context = context};
    options.memory_bytes = LeastBudget(*model, options);
    const auto session = OpenSession(model, options);
    ASSERT_TRUE(Feed(*session, {1}));
    EXPECT_LE(session->stats().counted_peak_bytes, *options.memory_bytes);
    --*options.memory_bytes;
    const auto refused = PlanSession(*model, options, TestMachine());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().key, "BUDGET_INFEASIBLE");
  }
}

TEST(PlanSession, RefusesAContextBeyondAnyMachineAndCachesThatCannotBe) {
  const auto model = OpenModel(MakeFile({}));
  for (const uint64_t context : {uint64_t{1} << 55, ~uint64_t{0}}) {
    const auto plan = PlanSession(*model, {.context = context}, TestMachine());
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().key, "BUDGET_INFEASIBLE");
  }
  const auto plan = PlanSession(*model, {.key_type = DType::kQ8_0}, TestMachine());
  ASSERT_FALSE(plan);  // heads of 16
  EXPECT_EQ(plan.error().key, "BAD_OPTION");
}

TEST(Generate, StopsForEachReason) {
  const auto model = OpenModel(MakeFile({}));
  const auto run = [&](GenerateOptions options, const GenerateHooks& hooks, Generated& out) {
    const auto session = OpenSession(model, {.context = 16});
    options.sampler.temperature = 0;
    options.ignore_end = true;
    const Status status = Generate(*session, kPrompt, options, hooks, out);
    EXPECT_TRUE(status) << Describe(status.error());
  };
  Generated length, context, caller;
  run({.most_tokens = 4, .top_logits = 3}, {}, length);
  EXPECT_EQ(length.reason, StopReason::kLength);
  EXPECT_EQ(length.tokens.size(), 4u);
  ASSERT_EQ(length.top_logits.size(), 4u);
  EXPECT_EQ(length.top_logits[0].size(), 3u);
  EXPECT_EQ(length.top_logits[3][0].first, length.tokens[3]);
  run({}, {}, context);
  EXPECT_EQ(context.reason, StopReason::kContext);
  EXPECT_EQ(context.tokens.size(), 12u);  // the last needs no place
  EXPECT_EQ(std::vector(context.tokens.begin(), context.tokens.begin() + 4), length.tokens);
  run({}, {.token = [](TokenId, std::string_view) { return false; }}, caller);
  EXPECT_EQ(caller.reason, StopReason::kCaller);
  EXPECT_EQ(caller.tokens.size(), 1u);
}

// --- files that change (A33, E4) ---

struct Running {
  std::string path;
  std::shared_ptr<const Model> model;
  std::unique_ptr<Session> session;
  std::vector<Logits> expected;
};

Running Start(IoPath io_path, bool everything_resident) {
  Running out;
  out.path = MakeFile(WideSpec());
  out.model = OpenModel(out.path);
  SessionOptions options{.context = 64, .chunk = 4, .io_path = io_path};
  out.expected = *Continue(*OpenSession(out.model, options), kPrompt, 8);
  if (!everything_resident) options.memory_bytes = LeastBudget(*out.model, options);
  out.session = OpenSession(out.model, options);
  EXPECT_EQ(*Feed(*out.session, kPrompt), out.expected[0]);
  // The clock of files ticks every few milliseconds.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return out;
}

using Change = void (*)(const std::string&);

void Truncate(const std::string& path) { fs::resize_file(path, fs::file_size(path) / 2); }
void Append(const std::string& path) {
  std::ofstream(path, std::ios::binary | std::ios::app) << std::string(4096, 'x');
}
void Rewrite(const std::string& path) {
  const uint64_t size = fs::file_size(path);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(size / 2));
  file << std::string(size / 4, 'x');
}
void Replace(const std::string& path) {
  std::ofstream(path + ".new", std::ios::binary) << std::string(fs::file_size(path), 'x');
  fs::rename(path + ".new", path);
}

TEST(Session, AChangedFileGivesAnErrorAndNeverAWrongLogit) {
  for (const IoPath io_path : {IoPath::kUring, IoPath::kDirect, IoPath::kBuffered}) {
    for (const Change change : {Truncate, Append, Rewrite, Replace}) {
      Running run = Start(io_path, false);
      change(run.path);
      Result<Logits> logits;
      for (size_t i = 0; i < 8 && logits; ++i) {
        const TokenId best = static_cast<TokenId>(ArgMax(run.expected[i]));
        logits = Feed(*run.session, {best});
        EXPECT_TRUE(!logits || *logits == run.expected[i + 1]) << "wrong logits";
      }
      ASSERT_FALSE(logits) << Name(io_path);
      EXPECT_EQ(logits.error().key, "MODEL_CHANGED") << Describe(logits.error());
      EXPECT_EQ(Feed(*run.session, {1}).error().key, "MODEL_CHANGED");
    }
  }
}

TEST(Session, OnceAllIsReadTheFileMayGo) {
  Running run = Start(IoPath::kAuto, true);
  EXPECT_TRUE(run.session->resident_loaded());
  Truncate(run.path);
  for (size_t i = 0; i < 4; ++i) {
    const auto logits = Feed(*run.session, {static_cast<TokenId>(ArgMax(run.expected[i]))});
    ASSERT_TRUE(logits) << Describe(logits.error());
    EXPECT_EQ(*logits, run.expected[i + 1]);
  }
}

// --- numbers that are none (B12, B13) ---

// The model with the bytes of one tensor changed.
std::shared_ptr<const Model> WithTensor(const std::string& original, const std::string& name,
                                        const std::function<void(std::span<char>)>& change) {
  std::string bytes = ReadAll(original);
  const auto model = OpenModel(original);
  for (const TensorInfo& tensor : model->file().tensors) {
    if (!name.empty() && tensor.name != name) continue;
    change(std::span(bytes).subspan(tensor.offset, tensor.bytes));
  }
  static int count = 0;
  return OpenModel(Scratch().Write(fmt::format("changed{}.gguf", count++), bytes));
}

void ExpectNan(const std::shared_ptr<const Model>& model, const std::string& where) {
  for (const uint64_t chunk : {1u, 8u}) {
    const auto session = OpenSession(model, {.context = 16, .chunk = chunk});
    const auto logits = Feed(*session, kPrompt);
    ASSERT_FALSE(logits) << where;
    EXPECT_EQ(logits.error().key, "NUMERIC_NAN");
    EXPECT_EQ(logits.error().code, ErrorCode::kOther);
    EXPECT_NE(logits.error().message.find(where), std::string::npos) << logits.error().message;
  }
}

template <typename T>
std::function<void(std::span<char>)> Plant(T value, size_t offset) {
  return [value, offset](std::span<char> tensor) {
    std::memcpy(tensor.data() + offset % tensor.size() / sizeof(T) * sizeof(T), &value, sizeof(T));
  };
}

TEST(Session, NamesTheLayerOfTheFirstNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ModelSpec spec{.architecture = "qwen3", .n_layer = 3, .type = DType::kF32};
  const std::string original = MakeFile(spec);
  for (const std::string layer : {"0", "2"}) {
    for (const char* tensor :
         {"attn_norm", "attn_q", "attn_k", "attn_v", "attn_q_norm", "attn_k_norm", "attn_output",
          "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"}) {
      const std::string name = fmt::format("blk.{}.{}.weight", layer, tensor);
      ExpectNan(WithTensor(original, name, Plant(nan, 40)), fmt::format("layer {}", layer));
    }
  }
  ExpectNan(WithTensor(original, "output_norm.weight", Plant(nan, 40)), "logit");
  ExpectNan(WithTensor(original, "output.weight", Plant(nan, 40)), "logit");
}

TEST(Session, NamesTheLayerOfANanScale) {
  for (const DType type : {DType::kQ8_0, DType::kQ4_0, DType::kQ5_1, DType::kQ4_K}) {
    const std::string original = MakeFile(WideSpec(type));
    for (const uint16_t bad : {0x7E00, 0x7C00, 0xFC00}) {  // NaN, +inf, -inf as halves
      ExpectNan(WithTensor(original, "blk.1.ffn_up.weight", Plant<uint16_t>(bad, 0)), "layer 1");
      ExpectNan(WithTensor(original, "blk.0.attn_v.weight", Plant<uint16_t>(bad, 0)), "layer 0");
    }
  }
}

TEST(Session, ANanOfOneContextIsNotHeldAgainstTheNext) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::string original = MakeFile({});
  const auto model =
      WithTensor(original, "token_embd.weight", Plant(nan, 300 * 64 * sizeof(float)));
  const auto session = OpenSession(model, {.context = 16});
  const auto bad = Feed(*session, kPrompt);  // has token 300
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().key, "NUMERIC_NAN");
  session->Reset();
  EXPECT_TRUE(Feed(*session, {1, 2, 3}));
}

TEST(Session, AllZeroWeightsGiveTheLowestTokenAndEnd) {
  for (const DType type : {DType::kF32, DType::kQ4_K}) {
    const auto model = WithTensor(MakeFile(WideSpec(type)), "", [](std::span<char> tensor) {
      std::fill(tensor.begin(), tensor.end(), '\0');
    });
    const auto session = OpenSession(model, {.context = 32});
    Generated out;
    const Status status =
        Generate(*session, kPrompt,
                 {.sampler = {.temperature = 0}, .most_tokens = 5, .ignore_end = true}, {}, out);
    ASSERT_TRUE(status) << Describe(status.error());
    EXPECT_EQ(out.tokens, std::vector<TokenId>(5, 0));
  }
}

TEST(PlanSession, LowersAContextThatNobodyAskedForAndSaysSo) {
  ModelSpec spec = WideSpec();
  spec.n_context = 4096;
  const auto model = OpenModel(MakeFile(spec));
  SessionOptions options{.threads = 5'000};  // gives a note of its own
  options.context = 1024;
  options.memory_bytes = LeastBudget(*model, options);
  options.context = 0;
  const auto plan = PlanSession(*model, options, TestMachine());
  ASSERT_TRUE(plan) << Describe(plan.error());
  EXPECT_EQ(plan->plan.context, 1024u);
  ASSERT_EQ(plan->notes.size(), 2u);
  EXPECT_NE(plan->notes[0].find("threads"), std::string::npos);
  EXPECT_NE(plan->notes[1].find("context lowered to 1024"), std::string::npos);
}

}  // namespace
}  // namespace tinyai
