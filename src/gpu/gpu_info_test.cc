#include "gpu/gpu_info.h"

#include <gtest/gtest.h>

namespace tinyai {
namespace {

GpuInfo Gpu(std::string name, uint8_t last, bool software) {
  GpuInfo info;
  info.name = std::move(name);
  info.uuid[15] = last;
  info.software = software;
  return info;
}

TEST(ChooseGpu, TakesAnyRealOneFirst) {
  const std::vector<GpuInfo> gpus = {Gpu("llvmpipe", 1, true), Gpu("Card", 2, false)};
  EXPECT_EQ(ChooseGpu(gpus, "").value(), 1u);
  EXPECT_EQ(ChooseGpu({gpus[0]}, "").value(), 0u);
}

TEST(ChooseGpu, TellsTwoOfOneNameApartByUuid) {
  const std::vector<GpuInfo> gpus = {Gpu("Card", 1, false), Gpu("Card", 2, false)};
  EXPECT_EQ(ChooseGpu(gpus, FormatUuid(gpus[1].uuid)).value(), 1u);
  EXPECT_EQ(ChooseGpu({gpus[1], gpus[0]}, FormatUuid(gpus[1].uuid)).value(), 0u);
  const Result<size_t> by_name = ChooseGpu(gpus, "card");
  ASSERT_FALSE(by_name);
  EXPECT_EQ(by_name.error().key, "GPU_MISSING");
  EXPECT_NE(by_name.error().message.find("more than one"), std::string::npos);
}

TEST(ChooseGpu, ListsWhatThereIsWhereNothingFits) {
  const std::vector<GpuInfo> gpus = {Gpu("Card A", 1, false), Gpu("Card B", 2, false)};
  EXPECT_EQ(ChooseGpu(gpus, "b").value(), 1u);
  EXPECT_EQ(ChooseGpu(gpus, "0").value(), 0u);
  for (const std::string wish : {"2", "TPU"}) {
    const Result<size_t> chosen = ChooseGpu(gpus, wish);
    ASSERT_FALSE(chosen) << wish;
    EXPECT_NE(chosen.error().message.find("0: Card A"), std::string::npos);
  }
  EXPECT_FALSE(ChooseGpu({}, ""));
}

TEST(FormatUuid, HasTheUsualGroups) {
  std::array<uint8_t, 16> uuid{};
  for (size_t i = 0; i < uuid.size(); ++i) uuid[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(FormatUuid(uuid), "00010203-0405-0607-0809-0a0b0c0d0e0f");
}

}  // namespace
}  // namespace tinyai
