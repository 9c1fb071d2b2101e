#include "device/run_program.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/mix.h"
#include "device/device_test_support.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

// TINYAI_RANDOM_PROGRAMS=10000 asks for more than everyday tests have time for; bench/README.md.
uint64_t Programs(uint64_t usual) {
  const char* const wish = std::getenv("TINYAI_RANDOM_PROGRAMS");
  return wish != nullptr ? std::strtoull(wish, nullptr, 10) : usual;
}

RandomPlacesShape PlacesOf(uint64_t seed) {
  return {.places = 1 + static_cast<uint32_t>(seed % 4),
          .own_memories = seed % 3 == 0,
          .alignment = seed % 2 == 0 ? 1u : 64u};
}

// Mostly none, sometimes a yield, sometimes longer than any command.
void DelayAtRandom(uint64_t seed, PlaceId place, uint32_t command) {
  const uint64_t dice = Mix64(seed * 1000003 + Index(place) * 7919 + command) % 16;
  if (dice == 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  } else if (dice < 6) {
    std::this_thread::yield();
  }
}

TEST(RunProgram, RandomProgramsWithRandomDelaysGiveWhatTheyMean) {
  uint64_t traps = 0, arms = 0;
  const uint64_t programs = Programs(200);
  for (uint64_t seed = 0; seed < programs; ++seed) {
    const RandomProgram random = MakeRandomProgram({}, seed);
    const CompiledProgram compiled = PlanAtRandom(random, PlacesOf(seed), seed);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
    bool trapped = false;
    const std::vector<std::string> right = OutputsDirectly(compiled, random.input, trapped);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
    Budget budget("test", Budget::kUnlimited);
    ProgramInput input(random.input);
    RunOptions options;
    options.watch = true;
    options.delay = [&](PlaceId place, uint32_t command, const PlacePositions&) {
      DelayAtRandom(seed, place, command);
    };
    const Result<ProgramRun> run = RunProgram(compiled, input, budget, options);
    ASSERT_TRUE(run) << "seed " << seed << ": " << Describe(run.error());
    EXPECT_EQ(OutputTexts(*run), right) << "seed " << seed;
    EXPECT_EQ(run->trapped, trapped) << "seed " << seed;
    EXPECT_FALSE(run->race) << "seed " << seed << ": " << *run->race;
    EXPECT_EQ(budget.used_bytes(), 0u);
    if (HasFailure()) break;
    traps += trapped;
    arms += !compiled.program.branches.empty();
  }
  EXPECT_GT(traps, programs / 20);
  EXPECT_GT(arms, programs / 5);
}

// As every value depends on all that it is made from, and prints are of all values.
constexpr RandomProgramShape kSensitive = {.statements = 12, .sensitive = true};

struct Found {
  bool carried_out = false, by_results = false, by_watch = false;
};

// Runs a plan that lacks a sync with several inputs, and with each other place held back in turn.
Found LookForGap(const CompiledProgram& broken, const SyncAt& dropped, uint64_t seed) {
  Found found;
  const auto places = static_cast<uint32_t>(broken.plan.queues.size());
  for (uint32_t attempt = 0; attempt < 4 * places && !found.by_results; ++attempt) {
    const auto held = static_cast<PlaceId>(attempt % places);
    if (held == dropped.place) continue;
    const std::string text = OtherInput(kSensitive, broken.program, seed * 10 + attempt / places);
    bool trapped = false;
    const std::vector<std::string> right = OutputsDirectly(broken, text, trapped);
    Budget budget("test", Budget::kUnlimited);
    ProgramInput input(text);
    RunOptions options;
    options.watch = true;
    options.record = true;
    options.fill = attempt / places % 2 == 0 ? std::byte{0x5A} : std::byte{0xC3};
    options.delay = GapDelay(broken.plan, dropped, held);
    const Result<ProgramRun> run = RunProgram(broken, input, budget, options);
    if (!run || OutputTexts(*run) != right || run->trapped != trapped) found.by_results = true;
    if (!run) return found;
    found.by_watch = found.by_watch || run->race;
    found.carried_out =
        found.carried_out || run->records[Index(dropped.place)][dropped.command].taken;
  }
  return found;
}

TEST(RunProgram, ASyncThatIsMissingIsFoundByTheCheckerAndByRunning) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the races that it makes are real, and the thread sanitizer would report them";
#endif
  uint64_t dropped_syncs = 0, by_results = 0, by_watch = 0;
  const uint64_t programs = Programs(300) / 10;
  for (uint64_t seed = 1000; seed < 1000 + programs; ++seed) {
    RandomProgramShape shape = kSensitive;
    shape.arms = seed % 4 == 0;
    const RandomProgram random = MakeRandomProgram(shape, seed);
    const CompiledProgram compiled = PlanAtRandom(random, PlacesOf(seed), seed);
    for (const SyncAt& dropped : SyncsOf(compiled.plan)) {
      CompiledProgram broken = compiled;
      broken.plan = WithoutSync(compiled.plan, dropped);
      ASSERT_FALSE(CheckNetPlan(broken.net, broken.plan)) << "seed " << seed;
      const Found found = LookForGap(broken, dropped, seed);
      ++dropped_syncs;
      by_watch += found.by_watch;
      by_results += found.by_results;
    }
  }
  std::printf("%llu syncs dropped, all found by the checker; by results %llu, by watching %llu\n",
              static_cast<unsigned long long>(dropped_syncs),
              static_cast<unsigned long long>(by_results),
              static_cast<unsigned long long>(by_watch));
  EXPECT_GT(dropped_syncs, 100u);
  EXPECT_GE(by_results * 100, dropped_syncs * 99);
  EXPECT_GE(by_watch * 100, dropped_syncs * 99);
}

TEST(RunProgram, AFaultOfOnePlaceEndsTheOthers) {
  const RandomProgram random = MakeRandomProgram(kSensitive, 7);
  const CompiledProgram compiled = PlanAtRandom(random, {.places = 4}, 7);
  Budget budget("test", Budget::kUnlimited);
  ProgramInput input("12 and then no number");
  const Result<ProgramRun> run = RunProgram(compiled, input, budget);
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().key, "PROGRAM_INPUT");
  EXPECT_EQ(budget.used_bytes(), 0u);
}

TEST(RunProgram, StopsWhenToldTo) {
  const RandomProgram random = MakeRandomProgram(kSensitive, 8);
  const CompiledProgram compiled = PlanAtRandom(random, {.places = 3}, 8);
  Budget budget("test", Budget::kUnlimited);
  ProgramInput input(random.input);
  std::atomic<bool> stop = false;
  RunOptions options;
  options.stop = &stop;
  options.delay = [&](PlaceId place, uint32_t, const PlacePositions& positions) {
    stop = true;  // and nothing more comes until that was noticed
    positions.WaitFor(place, ~uint32_t{0}, std::chrono::seconds(30));
  };
  const Result<ProgramRun> run = RunProgram(compiled, input, budget, options);
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().key, "CANCELLED");
}

TEST(RunProgram, TakesNoMoreThanTheArenasOfThePlan) {
  const RandomProgram random = MakeRandomProgram({}, 9);
  const CompiledProgram compiled = PlanAtRandom(random, {.places = 2}, 9);
  Budget budget("test", 100);
  ProgramInput input(random.input);
  const Result<ProgramRun> run = RunProgram(compiled, input, budget);
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().key, "BUDGET_EXCEEDED");
}

}  // namespace
}  // namespace tinyai
