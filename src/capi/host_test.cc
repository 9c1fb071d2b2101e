// What the program around the library does, and what that may not see of it: threads, functions
// that call back and throw, fork, floating-point modes, errno, signals, file masks.

#include <tinyai/session.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cfenv>
#include <clocale>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string_view>
#include <thread>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "capi/chain_test_support.h"

namespace tinyai::capi {
namespace {

using SessionHandle = Handle<TinyAISession>;

SessionHandle OpenSession(TinyAIModel* model, size_t memory_bytes = 0) {
  TinyAISessionConfig config;
  tinyaiInitSessionConfig(&config);
  config.context = 48;
  config.threads = 2;
  config.memory_bytes = memory_bytes;
  const Handle<TinyAISessionPlan> plan(tinyaiPlanSession(model, &config), tinyaiFreeSessionPlan);
  EXPECT_NE(plan, nullptr) << tinyaiGetErrorMessage();
  TinyAISession* const session = tinyaiOpenSession(plan.get());
  EXPECT_NE(session, nullptr) << tinyaiGetErrorMessage();
  return {session, tinyaiCloseSession};
}

std::vector<int32_t> TokensOf(TinyAISession* session) {
  std::vector<int32_t> tokens(64);
  const int64_t count = tinyaiGetSessionTokens(session, tokens.data(), tokens.size());
  EXPECT_GE(count, 0);
  tokens.resize(static_cast<size_t>(std::max<int64_t>(count, 0)));
  return tokens;
}

bool Generate(TinyAISession* session, TinyAITokenFunction function = nullptr,
              void* data = nullptr) {
  TinyAITextSettings settings;
  tinyaiInitTextSettings(&settings);
  settings.max_new_tokens = 6;
  return tinyaiGenerate(session, &settings, function, data, nullptr);
}

std::vector<int32_t> Write(TinyAISession* session) {
  const int32_t prompt[] = {1, 17, 44};
  EXPECT_TRUE(tinyaiAddSessionTokens(session, prompt, 3)) << tinyaiGetErrorMessage();
  EXPECT_TRUE(Generate(session)) << tinyaiGetErrorMessage();
  return TokensOf(session);
}

std::vector<float> RunChain(const ModelHandle& model, size_t memory = 0) {
  const auto scheduler = PrepareChain(model.get(), TINYAI_EXEC_MEMORY_OPT, memory);
  std::vector<float> input(kWidth), output(kWidth);
  // Exact in any mode of rounding, subnormals among them.
  for (int i = 0; i < kWidth; ++i) {
    input[static_cast<size_t>(i)] = std::ldexp(static_cast<float>(i % 7 - 3), -2 * i - 8);
  }
  while (tinyaiExecuteNextLayer(scheduler.get(), input.data(), output.data(), nullptr)) {
    EXPECT_LE(memory == 0 ? 0 : tinyaiGetSchedulerMemoryUsage(scheduler.get()), memory);
  }
  EXPECT_EQ(LastKey(), "") << tinyaiGetErrorMessage();
  return output;
}

TEST(Host, AFunctionMayNotUseTheSessionThatCallsIt) {  // J10
  const ModelHandle model = OpenModel(MakeTextModel());
  const SessionHandle session = OpenSession(model.get());
  const std::vector<int32_t> expected = Write(OpenSession(model.get()).get());
  const int32_t prompt[] = {1, 17, 44};
  ASSERT_TRUE(tinyaiAddSessionTokens(session.get(), prompt, 3));
  const TinyAITokenFunction meddle = [](void* data, int32_t, const char*) {
    auto* const own = static_cast<TinyAISession*>(data);
    const int32_t more[] = {5};
    EXPECT_FALSE(Generate(own));
    EXPECT_EQ(LastKey(), "REENTRANT");
    EXPECT_FALSE(tinyaiAddSessionText(own, "more", false));
    EXPECT_EQ(LastKey(), "REENTRANT");
    EXPECT_FALSE(tinyaiAddSessionTokens(own, more, 1));
    EXPECT_EQ(LastKey(), "REENTRANT");
    EXPECT_FALSE(tinyaiRestoreSession(own, more, 1));
    EXPECT_EQ(LastKey(), "REENTRANT");
    tinyaiClearLastError();
    tinyaiCloseSession(own);
    EXPECT_EQ(LastKey(), "REENTRANT");
    TinyAISessionStats stats;
    EXPECT_TRUE(tinyaiGetSessionStats(own, &stats)) << "looking on is allowed";
    return true;
  };
  EXPECT_TRUE(Generate(session.get(), meddle, session.get())) << tinyaiGetErrorMessage();
  EXPECT_EQ(TokensOf(session.get()), expected);
}

TEST(Host, AFunctionMayUseOtherSessionsAndModels) {  // J10
  const ModelHandle model = OpenModel(MakeTextModel());
  const std::vector<int32_t> expected = Write(OpenSession(model.get()).get());
  const SessionHandle outer = OpenSession(model.get());
  struct Both {
    const ModelHandle& model;
    const std::vector<int32_t>& expected;
  } both{model, expected};
  const TinyAITokenFunction nested = [](void* data, int32_t, const char*) {
    const auto* const own = static_cast<Both*>(data);
    EXPECT_EQ(Write(OpenSession(own->model.get()).get()), own->expected);
    return true;
  };
  const int32_t prompt[] = {1, 17, 44};
  ASSERT_TRUE(tinyaiAddSessionTokens(outer.get(), prompt, 3));
  EXPECT_TRUE(Generate(outer.get(), nested, &both)) << tinyaiGetErrorMessage();
  EXPECT_EQ(TokensOf(outer.get()), expected);
}

bool ThrowingToken(void*, int32_t, const char*) { throw std::runtime_error("token"); }
bool ThrowingReuse(void*) { throw 7; }
bool ThrowingWeight(void*, uint64_t, void*, size_t) { throw std::runtime_error("weight"); }

TEST(Host, ExceptionsOfFunctionsEndAtTheBoundary) {  // J10
  const ModelHandle model = OpenModel(MakeTextModel());
  const SessionHandle session = OpenSession(model.get());
  const int32_t prompt[] = {1, 17, 44};
  ASSERT_TRUE(tinyaiAddSessionTokens(session.get(), prompt, 3));
  EXPECT_FALSE(Generate(session.get(), ThrowingToken));
  EXPECT_EQ(LastKey(), "CALLBACK");
  ASSERT_TRUE(tinyaiRestoreSession(session.get(), nullptr, 0));
  EXPECT_EQ(Write(session.get()), Write(OpenSession(model.get()).get())) << "the next call works";

  const Handle<TinyAIMemoryOptimizer> optimizer(tinyaiCreateMemoryOptimizer(nullptr),
                                                tinyaiFreeMemoryOptimizer);
  EXPECT_FALSE(tinyaiExecuteWithTensorReuse(optimizer.get(), ThrowingReuse, nullptr));
  EXPECT_EQ(LastKey(), "CALLBACK");

  const Handle<TinyAIModelBuilder> builder(tinyaiCreateModelBuilder("x"), tinyaiFreeModelBuilder);
  const size_t width = 8;
  const int input = tinyaiBuilderAddInput(builder.get(), "x", &width, 1);
  const int weight = tinyaiBuilderAddStreamedWeight(builder.get(), "w", "F32", width, width,
                                                    ThrowingWeight, nullptr);
  tinyaiBuilderAddOp(builder.get(), "d", "dense", nullptr, &input, 1, &weight, 1);
  tinyaiBuilderEndLayer(builder.get(), "d", TINYAI_LAYER_ROLE_FFN);
  const std::string path = (Scratch().path() / "thrown.tmai").string();
  EXPECT_FALSE(tinyaiSaveBuiltModel(builder.get(), path.c_str()));
  EXPECT_EQ(LastKey(), "CALLBACK");
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Host, AWeightFunctionMayNotChangeItsBuilder) {  // J10
  const Handle<TinyAIModelBuilder> builder(tinyaiCreateModelBuilder("x"), tinyaiFreeModelBuilder);
  const TinyAIWeightFunction meddle = [](void* data, uint64_t, void* out, size_t size) {
    auto* const own = static_cast<TinyAIModelBuilder*>(data);
    const size_t more = 4;
    EXPECT_EQ(tinyaiBuilderAddInput(own, "more", &more, 1), -1);
    EXPECT_EQ(LastKey(), "REENTRANT");
    EXPECT_EQ(tinyaiBuilderAddWeight(own, "more", "F32", 1, 1, out), -1);
    EXPECT_EQ(LastKey(), "REENTRANT");
    EXPECT_FALSE(tinyaiSaveBuiltModel(own, "nowhere"));
    EXPECT_EQ(LastKey(), "REENTRANT");
    tinyaiClearLastError();
    tinyaiFreeModelBuilder(own);
    EXPECT_EQ(LastKey(), "REENTRANT");
    std::memset(out, 0, size);
    return true;
  };
  const size_t width = 8;
  const int input = tinyaiBuilderAddInput(builder.get(), "x", &width, 1);
  const int weight = tinyaiBuilderAddStreamedWeight(builder.get(), "w", "F32", width, width, meddle,
                                                    builder.get());
  tinyaiBuilderAddOp(builder.get(), "d", "dense", nullptr, &input, 1, &weight, 1);
  tinyaiBuilderEndLayer(builder.get(), "d", TINYAI_LAYER_ROLE_FFN);
  const std::string path = (Scratch().path() / "meddled.tmai").string();
  EXPECT_TRUE(tinyaiSaveBuiltModel(builder.get(), path.c_str())) << tinyaiGetErrorMessage();
}

TEST(Host, SchedulersAndLoadersOfOneModelRunOnThreadsOfTheirOwn) {  // J10
  const TinyAIMmapConfig config = Config(4 * kSmallLayer, true);
  const ModelHandle model = OpenModel(Chain(6, kWidth), &config);
  const std::vector<float> expected = RunChain(model);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 4; ++round) {
        EXPECT_EQ(RunChain(model, (size_t{64} << 10) << (t + round) % 3), expected);
      }
    });
  }
  threads.emplace_back([&] {
    const Handle<TinyAIProgressiveLoader> loader(tinyaiCreateProgressiveLoader(nullptr),
                                                 tinyaiFreeProgressiveLoader);
    EXPECT_TRUE(tinyaiAttachProgressiveLoader(loader.get(), model.get()));
    for (int i = 0; i < 60; ++i) {
      // Where all others are in use there may be no room.
      if (!tinyaiLoadLayer(loader.get(), i * 5 % 6)) {
        EXPECT_EQ(LastKey(), "CACHE_FULL");
      }
      tinyaiUnloadLayer(loader.get(), i * 5 % 6);
    }
  });
}

TEST(Host, TwoModelsKeepToABudgetEach) {  // J13
  const ModelHandle layers = OpenModel(Chain(6, kWidth)), text = OpenModel(MakeTextModel());
  constexpr size_t kLayersBudget = size_t{96} << 10;
  const std::vector<float> expected = RunChain(layers);
  const std::vector<int32_t> written = Write(OpenSession(text.get()).get());
  std::jthread other([&] {
    for (int i = 0; i < 4; ++i) EXPECT_EQ(RunChain(layers, kLayersBudget), expected);
  });
  for (int i = 0; i < 2; ++i) {
    const SessionHandle session = OpenSession(text.get(), size_t{48} << 20);
    EXPECT_EQ(Write(session.get()), written);
    TinyAISessionStats stats = {};
    ASSERT_TRUE(tinyaiGetSessionStats(session.get(), &stats));
    EXPECT_LE(stats.counted_peak_bytes, size_t{48} << 20);
  }
}

TEST(Host, AForkMayEndOrBecomeAnotherProgram) {  // J10
  const ModelHandle model = OpenModel(Chain(4, kWidth));
  const SessionHandle session = OpenSession(OpenModel(MakeTextModel()).get());
  const std::vector<float> expected = RunChain(model);
  for (const bool become : {false, true}) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      if (become) execl("/bin/true", "true", nullptr);
      _exit(0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(RunChain(model), expected);
  Write(session.get());
}

#if defined(__x86_64__)
constexpr unsigned kSubnormalsAreZero = 0x8040;  // DAZ and FTZ of MXCSR
#endif

TEST(Host, NumbersDoNotDependOnItsFloatingPointModeWhichStays) {  // J11
  const std::string path = Chain(4, kWidth), text_path = MakeTextModel();
  const auto use = [&] {
    const ModelHandle model = OpenModel(path);
    const std::vector<float> exact = RunChain(model);
    TinyAIMixedPrecisionConfig precision;
    tinyaiInitMixedPrecisionConfig(&precision);
    precision.ffnPrecision = TINYAI_PREC_INT4;
    EXPECT_TRUE(tinyaiApplyMixedPrecision(model.get(), &precision));
    std::vector<float> all = RunChain(model);
    all.insert(all.end(), exact.begin(), exact.end());
    const ModelHandle text = OpenModel(text_path);
    for (const int32_t token : Write(OpenSession(text.get()).get())) {
      all.push_back(static_cast<float>(token));
    }
    return all;
  };
  const std::vector<float> expected = use();
  std::fenv_t before;
  std::fegetenv(&before);
  for (const int rounding : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(rounding);
    EXPECT_EQ(use(), expected) << rounding;
    EXPECT_EQ(std::fegetround(), rounding);
    std::fesetenv(&before);
  }
#if defined(__x86_64__)
  const unsigned mode = (_mm_getcsr() & ~0x3Fu) | kSubnormalsAreZero;
  _mm_setcsr(mode);
  const std::vector<float> flushed = use();
  EXPECT_EQ(_mm_getcsr() & ~0x3Fu, mode);
  std::fesetenv(&before);
  EXPECT_EQ(flushed, expected);
#endif
  std::feclearexcept(FE_ALL_EXCEPT);
  feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW);
  const std::vector<float> trapping = use();
  EXPECT_EQ(fegetexcept(), FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW);
  std::fesetenv(&before);
  EXPECT_EQ(trapping, expected);
}

TEST(Host, AFunctionOfItsRunsInItsFloatingPointMode) {  // J11
  const Handle<TinyAIMemoryOptimizer> optimizer(tinyaiCreateMemoryOptimizer(nullptr),
                                                tinyaiFreeMemoryOptimizer);
  std::fenv_t before;
  std::fegetenv(&before);
  std::fesetround(FE_UPWARD);
  const TinyAITensorReuseFunction look = [](void*) {
    const bool own = std::fegetround() == FE_UPWARD;
    std::fesetround(FE_DOWNWARD);  // what it sets stays
    return own;
  };
  EXPECT_TRUE(tinyaiExecuteWithTensorReuse(optimizer.get(), look, nullptr));
  EXPECT_EQ(std::fegetround(), FE_DOWNWARD);
  std::fesetenv(&before);
}

TEST(Host, ErrnoStays) {  // J11
  errno = 4711;
  EXPECT_EQ(tinyaiOpenMappedModel("/no/such/file", nullptr), nullptr);
  EXPECT_EQ(errno, 4711);
  const ModelHandle model = OpenModel(Chain(2, kWidth));
  EXPECT_EQ(errno, 4711);
  EXPECT_NE(tinyaiGetLayerWeights(model.get(), 0), nullptr);
  EXPECT_EQ(errno, 4711);
}

// All handlers and the thread's mask.
std::vector<std::pair<void (*)(int), bool>> Signals() {
  std::vector<std::pair<void (*)(int), bool>> out;
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  for (int signal = 1; signal < 65; ++signal) {
    struct sigaction action = {};
    if (sigaction(signal, nullptr, &action) != 0) continue;
    out.emplace_back(action.sa_handler, sigismember(&mask, signal) == 1);
  }
  return out;
}

TEST(Host, SignalsLocaleAndFileMaskStay) {  // J11
  const auto before = Signals();
  const std::string locale = std::setlocale(LC_ALL, nullptr);
  const mode_t mask = umask(0027);
  {
    const ModelHandle model = OpenModel(Chain(3, kWidth));
    RunChain(model);
    Write(OpenSession(OpenModel(MakeTextModel()).get()).get());
    const std::string path = (Scratch().path() / "masked.tmai").string();
    ASSERT_TRUE(tinyaiSaveModel(model.get(), path.c_str())) << tinyaiGetErrorMessage();
    struct stat info = {};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0640u) << "of the file it has made it is the mask";
  }
  EXPECT_EQ(umask(mask), 0027u);
  EXPECT_EQ(Signals(), before);
  EXPECT_EQ(std::setlocale(LC_ALL, nullptr), locale);
}

}  // namespace
}  // namespace tinyai::capi
