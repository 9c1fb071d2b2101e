#include "gpu/spirv_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tinyai {
namespace {

using Words = std::vector<uint32_t>;

void Add(Words& code, uint32_t opcode, const Words& operands) {
  code.push_back(static_cast<uint32_t>(operands.size() + 1) << 16 | opcode);
  code.insert(code.end(), operands.begin(), operands.end());
}

// Variable 7 of a storage class at a binding of a set, in work groups of 64 x `height` x 1.
Words Kernel(uint32_t storage_class, uint32_t set, uint32_t binding, uint32_t height = 1,
             uint32_t capability = 1) {
  Words code = {0x07230203, 0x00010500, 0, 100, 0};
  Add(code, 17, {capability});
  Add(code, 16, {4, 17, 64, height, 1});
  Add(code, 71, {7, 34, set});
  Add(code, 71, {7, 33, binding});
  Add(code, 59, {5, 7, storage_class});
  return code;
}

constexpr uint32_t kStorageBuffer = 12, kPushConstant = 9;

GpuInfo Gpu() {
  GpuInfo info;
  info.name = "Card";
  info.limits.invocations = 128;
  return info;
}

std::string WhyNot(const Words& code) {
  const Status status = CheckLaunch("scale", ReadSpirv(code), 2, Gpu());
  return status ? "" : Describe(status.error());
}

TEST(ReadSpirv, FindsWhatALaunchNeeds) {
  const SpirvFacts facts = ReadSpirv(Kernel(kStorageBuffer, 0, 1));
  EXPECT_THAT(facts.local_size, testing::ElementsAre(64, 1, 1));
  EXPECT_THAT(facts.bindings, testing::ElementsAre(testing::Pair(0, 1)));
  EXPECT_THAT(facts.capabilities, testing::ElementsAre(1));
  EXPECT_FALSE(facts.others);
}

TEST(ReadSpirv, EndsWhereCodeMakesNoSense) {
  const Words code = Kernel(kStorageBuffer, 0, 1);
  for (size_t size = 0; size < code.size(); ++size) {
    EXPECT_TRUE(ReadSpirv(std::span(code).first(size)).bindings.empty()) << size;
  }
  Words damaged = code;
  damaged[5] = 17;  // no words
  EXPECT_TRUE(ReadSpirv(damaged).capabilities.empty());
}

TEST(CheckLaunch, RefusesWhatADriverMayCrashOn) {
  EXPECT_EQ(WhyNot(Kernel(kStorageBuffer, 0, 1)), "");
  EXPECT_THAT(WhyNot(Kernel(kStorageBuffer, 0, 2)), testing::HasSubstr("bindings 0 to 1"));
  EXPECT_THAT(WhyNot(Kernel(kStorageBuffer, 1, 0)), testing::HasSubstr("set 1, binding 0"));
  EXPECT_THAT(WhyNot(Kernel(kPushConstant, 0, 0)), testing::HasSubstr("nothing else"));
  EXPECT_THAT(WhyNot(Kernel(kStorageBuffer, 0, 0, 2)), testing::HasSubstr("64 x 2 x 1"));
  EXPECT_THAT(WhyNot(Kernel(kStorageBuffer, 0, 0, 1, 10)), testing::HasSubstr("capability 10"));
  GpuInfo small = Gpu();
  small.limits.invocations = 32;
  EXPECT_FALSE(CheckLaunch("scale", ReadSpirv(Kernel(kStorageBuffer, 0, 0)), 2, small));
}

}  // namespace
}  // namespace tinyai
