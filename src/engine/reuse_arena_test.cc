#include "engine/reuse_arena.h"

#include <cstring>
#include <optional>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

ReusableBlock TakeBlock(uint64_t bytes) {
  Result<ReusableBlock> block = ReuseArena::Take(bytes);
  EXPECT_TRUE(block) << Describe(block.error());
  return block ? std::move(*block) : ReusableBlock();
}

TEST(ReuseArena, ABlockGivenBackServesTheNextRequestOfItsSize) {
  const auto arena = std::make_shared<ReuseArena>(0, true);
  const ReuseArena::Scope scope(arena);
  for (int i = 0; i < 100; ++i) {
    const ReusableBlock block = TakeBlock(10'000);
    ASSERT_NE(block.data(), nullptr);
    EXPECT_EQ(block.data()[9'999], std::byte{0}) << "zero-filled each time";
    std::memset(block.data(), 1, 10'000);
  }
  EXPECT_EQ(arena->stats().takes, 1u);
  EXPECT_EQ(arena->stats().reuses, 99u);
  EXPECT_LT(arena->stats().peak_bytes, 10'100u);
}

TEST(ReuseArena, ATensorThatOutlivesScopeAndArenaStaysValid) {
  ReusableBlock kept;
  {
    auto arena = std::make_shared<ReuseArena>(0, true);
    {
      const ReuseArena::Scope scope(arena);
      kept = TakeBlock(1000);
      TakeBlock(1000);
    }
    EXPECT_LT(arena->stats().used_bytes, 1100u) << "only what is alive";
    arena.reset();
  }
  std::memset(kept.data(), 7, 1000);
}

TEST(ReuseArena, TheLimitHoldsAndKeptBlocksMakeRoom) {
  const auto arena = std::make_shared<ReuseArena>(10'000, true);
  const ReuseArena::Scope scope(arena);
  TakeBlock(8'000);
  const ReusableBlock small = TakeBlock(3'000);
  EXPECT_LE(arena->stats().used_bytes, 10'000u);
  const Result<ReusableBlock> refused = ReuseArena::Take(8'000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().key, "BUDGET_EXCEEDED");
  EXPECT_LE(arena->stats().peak_bytes, 10'000u);
}

TEST(ReuseArena, ScopesNestAndEndWithThemselves) {
  const auto outer = std::make_shared<ReuseArena>(0, true);
  const auto inner = std::make_shared<ReuseArena>(0, true);
  {
    const ReuseArena::Scope first(outer);
    {
      const ReuseArena::Scope second(inner);
      TakeBlock(100);
    }
    TakeBlock(100);
  }
  TakeBlock(100);
  EXPECT_EQ(inner->stats().takes, 1u);
  EXPECT_EQ(outer->stats().takes, 1u);
}

TEST(ReuseArena, ASizeThatOverflowsIsAnError) {
  const Result<ReusableBlock> huge = ReuseArena::Take(~uint64_t{0});
  ASSERT_FALSE(huge);
  EXPECT_EQ(huge.error().key, "OUT_OF_MEMORY");
}

}  // namespace
}  // namespace tinyai
