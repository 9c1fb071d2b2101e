#include "kernel/isa.h"

#include <algorithm>

#include "kernel/testing.h"

namespace tinyai {
namespace {

TEST(Isa, TheBestOneIsActiveAtFirst) {
  ASSERT_FALSE(SupportedIsas().empty());
  EXPECT_EQ(ActiveIsa(), SupportedIsas().front());
}

TEST(Isa, TheOneAskedForIsUsedAndTheOthersStayAvailable) {
  const std::vector<std::string> all = SupportedIsas();
  for (const std::string& name : all) {
    ASSERT_TRUE(UseIsa(name).has_value()) << name;
    EXPECT_EQ(ActiveIsa(), name);
    EXPECT_EQ(SupportedIsas(), all);
  }
  ASSERT_TRUE(UseIsa(all.front()).has_value());
}

TEST(Isa, AnUnknownNameIsAnErrorThatListsTheKnownOnes) {
  const std::string before = ActiveIsa();
  for (const char* name : {"", "AVX2 ", "mmx"}) {
    const Status status = UseIsa(name);
    ASSERT_FALSE(status.has_value()) << name;
    EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
    EXPECT_EQ(status.error().key, "ISA_UNSUPPORTED");
    EXPECT_NE(status.error().message.find(SupportedIsas().back()), std::string::npos);
  }
  EXPECT_EQ(ActiveIsa(), before);
}

// Sets without a fused multiply-add round once more, which shows which code really ran.
TEST(Isa, DispatchObeysIt) {
  const std::vector<std::string> all = SupportedIsas();
  const auto has = [&](const char* name) {
    return std::find(all.begin(), all.end(), name) != all.end();
  };
  if (!has("avx2") || !has("sse4")) GTEST_SKIP() << "needs avx2 and sse4";
  const size_t cols = 4096;
  const std::vector<float> w = RandomFloats(cols, 1), x = RandomFloats(cols, 2);
  const auto product = [&](const char* isa) {
    EXPECT_TRUE(UseIsa(isa).has_value());
    float out = 0;
    MatMulF32({DType::kF32, reinterpret_cast<const std::byte*>(w.data()), cols, 1}, x.data(), cols,
              1, &out, 1);
    return out;
  };
  const float fused = product("avx2"), plain = product("sse4");
  ASSERT_TRUE(UseIsa(all.front()).has_value());
  EXPECT_NE(fused, plain);
  EXPECT_NEAR(fused, plain, 1e-3);
}

}  // namespace
}  // namespace tinyai
