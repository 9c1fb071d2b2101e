#include "device/kernel_type.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tinyai {
namespace {

ProgramExtern Function(std::vector<ProgramType> params, ProgramType result) {
  return {.name = "f", .params = std::move(params), .result = std::move(result)};
}
ProgramType F32(Dimensions shape = {}) { return {Scalar::kF32, std::move(shape)}; }

bool Is(std::string_view type, const ProgramExtern& function) {
  const Result<KernelType> read = ReadKernelType(type);
  EXPECT_TRUE(read) << Describe(read.error());
  return read && IsOfType(function, *read);
}

TEST(KernelType, NamesStandForOneSizeEach) {
  const ProgramExtern square = Function({F32({3, 3}), F32({3})}, F32({3}));
  EXPECT_TRUE(Is("(f32[n, n], f32[n]) -> f32[n]", square));
  EXPECT_TRUE(Is("(f32[rows, cols], f32[cols]) -> f32[3]", square));
  EXPECT_FALSE(Is("(f32[n, 4], f32[n]) -> f32[n]", square));
  EXPECT_FALSE(Is("(f32[n, m], f32[n]) -> f32[m]", Function({F32({3, 4}), F32({4})}, F32({4}))));
}

TEST(KernelType, NumbersTensorsAndCountsDiffer) {
  EXPECT_TRUE(Is("() -> i32", Function({}, {Scalar::kI32, {}})));
  EXPECT_TRUE(Is(" ( f32 ,bf16[ 2 ] )->bool ",
                 Function({F32(), {Scalar::kBF16, {2}}}, {Scalar::kBool, {}})));
  EXPECT_FALSE(Is("(f32) -> f32", Function({F32({1})}, F32())));
  EXPECT_FALSE(Is("(f32) -> f64", Function({F32()}, F32())));
  EXPECT_FALSE(Is("(f32) -> f32", Function({F32(), F32()}, F32())));
}

TEST(KernelType, IsPrintedAsItIsRead) {
  const ProgramExtern function = Function({F32({4, 3}), F32()}, {Scalar::kQ8, {32}});
  EXPECT_EQ(KernelTypeText(function), "(f32[4, 3], f32) -> q8[32]");
  EXPECT_TRUE(Is(KernelTypeText(function), function));
}

TEST(KernelType, EveryOtherTextIsAnError) {
  const std::string_view whole = "(f32[n, 4], i64) -> f32[n]";
  for (size_t size = 0; size < whole.size(); ++size) {
    if (whole.substr(0, size) == "(f32[n, 4], i64) -> f32") continue;
    const Result<KernelType> read = ReadKernelType(whole.substr(0, size));
    ASSERT_FALSE(read) << size;
    EXPECT_EQ(read.error().key, "KERNEL_FILE");
  }
  for (const std::string_view text : {"(f33) -> f32", "(f32) -> f32 x", "(f32[]) -> f32",
                                      "f32 -> f32", "(f32,) -> f32", "(f32[n) -> f32"}) {
    EXPECT_FALSE(ReadKernelType(text)) << text;
  }
}

}  // namespace
}  // namespace tinyai
