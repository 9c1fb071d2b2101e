#include "os/cpu_mask.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "os/machine.h"

namespace tinyai {
namespace {

using testing::ElementsAre;

TEST(CpuMask, IsAListOrAHexadecimalMask) {
  EXPECT_THAT(*ParseCpuMask("3"), ElementsAre(3));
  EXPECT_THAT(*ParseCpuMask("0,2-5"), ElementsAre(0, 2, 3, 4, 5));
  EXPECT_THAT(*ParseCpuMask("5,1-2,2"), ElementsAre(1, 2, 5));
  EXPECT_THAT(*ParseCpuMask("0x1"), ElementsAre(0));
  EXPECT_THAT(*ParseCpuMask("0X3c"), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(*ParseCpuMask("0x100000000"), ElementsAre(32));
}

TEST(CpuMask, RefusesEverythingElse) {
  for (const char* text : {"", "0x", "0x0", "0xg", "-1", "1-", "-", "3-1", "1,,2", ",1", "1,", "a",
                           "0-65536", "4294967296", "1 2", "1.5", "0x-1", "0x+1"}) {
    const auto cpus = ParseCpuMask(text);
    ASSERT_FALSE(cpus) << text;
    EXPECT_EQ(cpus.error().key, "BAD_CPU_MASK");
    EXPECT_EQ(cpus.error().code, ErrorCode::kUsage);
  }
  EXPECT_FALSE(ParseCpuMask("0x" + std::string(100'000, 'f')));
}

TEST(CpuMask, ChoosesAmongTheCpusThisProcessMayUse) {
  const std::vector<uint32_t> allowed = AllowedCpus();
  EXPECT_EQ(ChooseCpus({}, 1)->size(), 1u);
  EXPECT_EQ(ChooseCpus({}, 0)->size(), 1u);
  EXPECT_THAT(*ChooseCpus({}, 1'000'000), testing::UnorderedElementsAreArray(allowed));
  EXPECT_THAT(*ChooseCpus({allowed.back()}, 8), ElementsAre(allowed.back()));
  EXPECT_EQ(ChooseCpus({65'000}, 8).error().key, "BAD_CPU_MASK");
}

}  // namespace
}  // namespace tinyai
