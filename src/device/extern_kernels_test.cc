#include "device/extern_kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace tinyai {
namespace {

int Nothing(const TinyAIKernelTensor*, size_t, const TinyAIKernelTensor*, size_t, void*) {
  return 0;
}

std::string WhyNot(const TinyAIKernelTable& table) {
  const Status added = ExternKernels().Add(table, "lib.so");
  return added ? "" : Describe(added.error());
}

TEST(ExternKernels, ALibraryGivesWhatItsTableNamesAndNothingElse) {
  ExternKernels kernels;
  const Status added = kernels.AddFile(TINYAI_SORTED);
  ASSERT_TRUE(added) << Describe(added.error());
  const ExternKernels::Function* const sorted = kernels.FindFunction("sorted");
  ASSERT_NE(sorted, nullptr);
  EXPECT_EQ(sorted->type_text, "(f32[n]) -> f32[n]");
  // What the library and those that it needs export.
  EXPECT_EQ(kernels.FindFunction("tinyaiKernels"), nullptr);
  EXPECT_EQ(kernels.FindFunction("qsort"), nullptr);
  EXPECT_EQ(kernels.FindShader("sorted"), nullptr);
}

TEST(ExternKernels, FilesThatAreNoneAreRefusedByName) {
  const std::filesystem::path folder = testing::TempDir();
  const auto why = [](const std::string& path) {
    const Status added = ExternKernels().AddFile(path);
    return added ? "" : Describe(added.error());
  };
  EXPECT_THAT(why(folder / "there_is_no_such.so"), testing::HasSubstr("OPEN"));
  EXPECT_THAT(why(folder), testing::HasSubstr("OPEN"));
  const std::string text = folder / "text.so", huge = folder / "huge.comp";
  std::ofstream(text) << "no library";
  std::ofstream(huge) << std::string(2 << 20, ' ');
  EXPECT_THAT(why(text),
              testing::AllOf(testing::HasSubstr("KERNEL_FILE"), testing::HasSubstr("text.so")));
  EXPECT_THAT(why(huge), testing::HasSubstr("KERNEL_FILE"));
  EXPECT_THAT(why(TINYAI_NO_KERNELS), testing::HasSubstr("tinyaiKernels"));
}

TEST(ExternKernels, TablesAreChecked) {
  const TinyAIKernel good = {"f", "(f32) -> f32", Nothing, nullptr};
  const TinyAIKernel nameless = {nullptr, nullptr, Nothing, nullptr};
  const TinyAIKernel empty = {"f", nullptr, nullptr, nullptr};
  const TinyAIKernel damaged = {"f", "(f32 -> f32", Nothing, nullptr};
  const TinyAIKernel twice[] = {good, good};
  EXPECT_EQ(WhyNot({TINYAI_KERNELS_VERSION, 1, &good}), "");
  EXPECT_EQ(WhyNot({TINYAI_KERNELS_VERSION, 0, nullptr}), "");
  EXPECT_THAT(WhyNot({TINYAI_KERNELS_VERSION + 1, 1, &good}), testing::HasSubstr("version 2"));
  EXPECT_THAT(WhyNot({TINYAI_KERNELS_VERSION, 1, nullptr}), testing::HasSubstr("KERNEL_FILE"));
  EXPECT_THAT(WhyNot({TINYAI_KERNELS_VERSION, 1, &nameless}), testing::HasSubstr("name"));
  EXPECT_THAT(WhyNot({TINYAI_KERNELS_VERSION, 1, &empty}), testing::HasSubstr("function"));
  EXPECT_THAT(WhyNot({TINYAI_KERNELS_VERSION, 1, &damaged}), testing::HasSubstr("byte 5"));
  EXPECT_THAT(WhyNot({TINYAI_KERNELS_VERSION, 2, twice}), testing::HasSubstr("lib.so already"));
}

struct Seen {
  TinyAIKernelTensor input{}, output{};
  uint64_t dims[2] = {};
};
int Look(const TinyAIKernelTensor* inputs, size_t, const TinyAIKernelTensor* outputs, size_t,
         void* user) {
  auto& seen = *static_cast<Seen*>(user);
  seen.input = inputs[0];
  seen.output = outputs[0];
  std::copy_n(inputs[0].dims, inputs[0].rank, seen.dims);
  std::memset(outputs[0].data, 7, outputs[0].bytes);
  return 0;
}

TEST(CallKernel, SaysWhatTheTensorsAreAndLaysThemWhereTheirElementsMayLie) {
  Seen seen;
  const ExternKernels::Function look{Look, &seen, {}, ""};
  const ProgramType in{Scalar::kF64, {3, 2}}, out{Scalar::kBool, {5}};
  std::vector<std::byte> bytes(8 * 6 + 16), made(5);
  auto* const odd =
      reinterpret_cast<std::byte*>((reinterpret_cast<uintptr_t>(bytes.data()) + 7) / 8 * 8 + 1);
  const KernelInput input{&in, odd};
  ASSERT_TRUE(CallKernel(look, "look", std::span(&input, 1), out, made.data()));
  EXPECT_EQ(seen.input.scalar, TINYAI_KERNEL_F64);
  EXPECT_EQ(seen.input.elements, 6u);
  EXPECT_EQ(seen.input.bytes, 48u);
  EXPECT_THAT(seen.dims, testing::ElementsAre(3, 2));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(seen.input.data) % 8, 0u);
  EXPECT_EQ(seen.output.rank, 1u);
  // Truth is one value, whatever the kernel took for it.
  EXPECT_EQ(made, std::vector<std::byte>(5, std::byte{1}));
}

TEST(CallKernel, WhatGoesWrongInItIsAnError) {
  const ProgramType out{Scalar::kI32, {}};
  int32_t made = 0;
  const auto call = [&](TinyAIKernelFunction run) {
    const Status status =
        CallKernel({run, nullptr, {}, ""}, "bad", {}, out, reinterpret_cast<std::byte*>(&made));
    return status ? "" : Describe(status.error());
  };
  EXPECT_EQ(call([](auto*, size_t, auto*, size_t, void*) { return -3; }),
            "KERNEL_FAILED: kernel 'bad' returned -3");
  EXPECT_THAT(call([](auto*, size_t, auto*, size_t, void*) -> int { throw 1; }),
              testing::HasSubstr("KERNEL_FAILED: kernel 'bad' threw"));
}

}  // namespace
}  // namespace tinyai
