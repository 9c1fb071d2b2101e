// Every allocation and every read fails once: a clean error, and the same call made again works.

#include <tinyai/tinyai.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>

#include "capi/chain_test_support.h"

namespace {

// Allocations of all threads until one is refused; below 0 none is.
std::atomic<int64_t> allocations_left = -1;

bool Refused() {
  if (allocations_left.load(std::memory_order_relaxed) < 0) return false;
  return allocations_left.fetch_sub(1) == 0;
}

void* Take(size_t size, size_t alignment) {
  if (Refused()) throw std::bad_alloc();
  void* const data = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (data == nullptr) throw std::bad_alloc();
  return data;
}

}  // namespace

// Those of the whole test program; each of them, since a sanitizer brings its own for the others.
void* operator new(size_t size) { return Take(size == 0 ? 1 : size, alignof(std::max_align_t)); }
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return Refused() ? nullptr : std::malloc(size == 0 ? 1 : size);
}
void* operator new(size_t size, std::align_val_t alignment) {
  return Take(size == 0 ? 1 : size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept try {
  return operator new(size, alignment);
} catch (const std::bad_alloc&) {
  return nullptr;
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, const std::nothrow_t&) noexcept { std::free(data); }
void operator delete(void* data, size_t) noexcept { std::free(data); }
void operator delete(void* data, std::align_val_t) noexcept { std::free(data); }
void operator delete(void* data, std::align_val_t, const std::nothrow_t&) noexcept {
  std::free(data);
}
void operator delete(void* data, size_t, std::align_val_t) noexcept { std::free(data); }

namespace tinyai::capi {
namespace {

// Lets calls of the API fail once in all, at the n-th chance, and makes the one that failed again.
class OneFault {
 public:
  OneFault(std::function<void(bool)> arm, std::vector<std::string_view> keys)
      : arm_(std::move(arm)), keys_(std::move(keys)) {}

  // `call` returns something that is false after a failure.
  template <typename Call>
  auto Try(const Call& call) {
    if (!failed_) arm_(true);
    auto result = call();
    arm_(false);
    if (result || LastKey().empty()) return result;
    failed_ = true;
    EXPECT_NE(std::ranges::find(keys_, LastKey()), keys_.end())
        << LastKey() << ": " << tinyaiGetErrorMessage();
    result = call();
    EXPECT_TRUE(result) << "the next call: " << tinyaiGetErrorMessage();
    return result;
  }
  bool failed() const { return failed_; }

 private:
  const std::function<void(bool)> arm_;
  const std::vector<std::string_view> keys_;
  bool failed_ = false;
};

// Everything that the API does with a model of layers, and what came out of it.
std::vector<float> UseLayers(const std::string& path, OneFault& fault) {
  const TinyAIMmapConfig config = Config(3 * kSmallLayer, true);
  const ModelHandle model(fault.Try([&] { return tinyaiOpenMappedModel(path.c_str(), &config); }),
                          tinyaiCloseMappedModel);
  if (model == nullptr) return {};
  TinyAIMappedModel* const m = model.get();
  for (int i = 0; i < 4; ++i) fault.Try([&] { return tinyaiGetLayerWeights(m, i) != nullptr; });
  const TinyAIProgressiveLoaderConfig loading = {true, 1, true, 0};
  const Handle<TinyAIProgressiveLoader> loader(
      fault.Try([&] { return tinyaiCreateProgressiveLoader(&loading); }),
      tinyaiFreeProgressiveLoader);
  fault.Try([&] { return tinyaiAttachProgressiveLoader(loader.get(), m); });
  fault.Try([&] { return tinyaiLoadLayer(loader.get(), 1); });
  fault.Try([&] { return tinyaiUnloadLayer(loader.get(), 1); });
  TinyAIMixedPrecisionConfig precision;
  tinyaiInitMixedPrecisionConfig(&precision);
  precision.ffnPrecision = TINYAI_PREC_INT8;
  fault.Try([&] { return tinyaiApplyMixedPrecision(m, &precision); });
  TinyAIPruneConfig prune;
  tinyaiInitPruneConfig(&prune);
  fault.Try([&] { return tinyaiPruneModel(m, &prune); });
  const SchedulerHandle scheduler(
      fault.Try([&] { return tinyaiCreateForwardScheduler(m, TINYAI_EXEC_STREAMING, kMiB); }),
      tinyaiDestroyForwardScheduler);
  for (int i = 0; i < 4; ++i) {
    fault.Try([&] {
      return tinyaiAddLayerToSchedule(scheduler.get(), i, i - 1,
                                      i > 0 ? TINYAI_DEP_SEQUENTIAL : TINYAI_DEP_NONE, 0);
    });
  }
  fault.Try([&] { return tinyaiPrepareForwardPass(scheduler.get()); });
  const std::vector<float> input(kWidth, 1.0f);
  std::vector<float> output(kWidth);
  for (int i = 0; i < 8; ++i) {
    if (i == 4) tinyaiResetScheduler(scheduler.get());
    fault.Try([&] {
      return tinyaiExecuteNextLayer(scheduler.get(), input.data(), output.data(), nullptr);
    });
  }
  const Handle<TinyAILayerScheduler> layers(
      fault.Try([&] { return tinyaiCreateLayerScheduler(m, nullptr); }), tinyaiFreeLayerScheduler);
  for (int i = 0; i < 4; ++i) {
    fault.Try([&] {
      return tinyaiExecuteLayerWithMemoryOptimization(layers.get(), i, nullptr, nullptr);
    });
  }
  return output;
}

// What a text model says.
std::vector<float> UseText(const std::string& path, OneFault& fault) {
  const ModelHandle model(fault.Try([&] { return tinyaiOpenMappedModel(path.c_str(), nullptr); }),
                          tinyaiCloseMappedModel);
  if (model == nullptr) return {};
  const SchedulerHandle scheduler(fault.Try([&] {
    return tinyaiCreateForwardScheduler(model.get(), TINYAI_EXEC_STREAMING, 400'000);
  }),
                                  tinyaiDestroyForwardScheduler);
  const int layers = tinyaiGetMappedLayerCount(model.get());
  for (int i = 0; i < layers; ++i) {
    fault.Try([&] {
      return tinyaiAddLayerToSchedule(scheduler.get(), i, i - 1,
                                      i > 0 ? TINYAI_DEP_SEQUENTIAL : TINYAI_DEP_NONE,
                                      i + 1 == layers ? 64 : 0);
    });
  }
  fault.Try([&] { return tinyaiPrepareForwardPass(scheduler.get()); });
  char output[64] = {};
  for (int i = 0; i < 3 * layers; ++i) {
    fault.Try([&] { return tinyaiExecuteNextLayer(scheduler.get(), "ab", output, nullptr); });
  }
  return {output, output + sizeof(output)};
}

using Use = std::vector<float> (*)(const std::string&, OneFault&);

// `arm(n)` gives what lets the n-th chance fail; larger and larger n, until nothing fails any more.
void FailEverywhere(Use use, const std::string& path,
                    const std::function<std::function<void(bool)>(int64_t)>& arm,
                    const std::vector<std::string_view>& keys, int64_t step) {
  OneFault none([](bool) {}, {});
  const std::vector<float> expected = use(path, none);
  ASSERT_FALSE(expected.empty());
  int64_t failures = 0, quiet = 0;
  for (int64_t n = 0; quiet < 20 && !testing::Test::HasFailure(); n += step) {
    SCOPED_TRACE(n);
    OneFault fault(arm(n), keys);
    EXPECT_EQ(use(path, fault), expected);
    failures += fault.failed();
    // Of those that fail on other threads, some are made up for there.
    quiet = fault.failed() ? 0 : quiet + 1;
  }
  EXPECT_GT(failures, 10);
}

std::function<void(bool)> RefuseAllocation(int64_t n) {
  const auto left = std::make_shared<int64_t>(n);
  return [left](bool on) {
    if (on) {
      allocations_left = *left;
    } else {
      *left = allocations_left.exchange(-1);
      if (*left < 0) *left = int64_t{1} << 60;  // it was refused
    }
  };
}

// Every so many, a prime, so that all kinds are met; with TINYAI_ALLOCATION_STEP=1 each of them.
int64_t Step() {
  const char* const step = std::getenv("TINYAI_ALLOCATION_STEP");
  return step != nullptr ? std::max(1, std::atoi(step)) : 211;
}

TEST(Faults, AnAllocationThatFailsIsACleanErrorAndTheNextCallWorks) {
  FailEverywhere(UseLayers, Chain(4, kWidth), RefuseAllocation, {"OUT_OF_MEMORY"}, Step());
}

TEST(Faults, SoItIsInATextModel) {
  FailEverywhere(UseText, MakeTextModel(), RefuseAllocation, {"OUT_OF_MEMORY"}, Step());
}

void FailReads(Use use, const std::string& path) {
  FaultyCalls calls;
  std::atomic<bool> on = false;
  std::atomic<int64_t> left = 0;
  calls.on_read = [&](uint64_t, int64_t result) -> int64_t {
    // EIO is tried once more by whoever reads, so that it fails twice.
    if (!on || left.fetch_sub(1) > 1) return result;
    return left >= -1 ? -EIO : result;
  };
  const ReplacedSystemCalls replaced(calls);
  const auto arm = [&](int64_t n) {
    left = n + 1;
    return [&](bool armed) { on = armed; };
  };
  FailEverywhere(use, path, arm, {"IO_READ"}, 1);
}

TEST(Faults, AReadThatFailsIsACleanErrorAndTheNextCallWorks) {
  FailReads(UseLayers, Chain(4, kWidth));
}

TEST(Faults, SoItIsWithReadsOfATextModel) { FailReads(UseText, MakeTextModel()); }

}  // namespace
}  // namespace tinyai::capi
