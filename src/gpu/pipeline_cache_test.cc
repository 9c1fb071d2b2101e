#include "gpu/pipeline_cache.h"

#include <gtest/gtest.h>

namespace tinyai {
namespace {

TEST(PipelineCache, ComesBackAsItWas) {
  const std::array<uint8_t, 16> driver = {1, 2, 3};
  const std::string file = PackPipelineCache(driver, "what the driver made");
  EXPECT_EQ(UnpackPipelineCache(driver, file), "what the driver made");
}

TEST(PipelineCache, EveryDamagedBitAndEveryCutIsAMiss) {
  const std::array<uint8_t, 16> driver = {1, 2, 3};
  const std::string file = PackPipelineCache(driver, "what the driver made");
  for (size_t bit = 0; bit < file.size() * 8; ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(UnpackPipelineCache(driver, damaged)) << "bit " << bit;
  }
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(UnpackPipelineCache(driver, file.substr(0, size))) << "cut at " << size;
  }
}

TEST(PipelineCache, OneOfAnotherDriverIsAMiss) {
  EXPECT_FALSE(UnpackPipelineCache({9}, PackPipelineCache({1}, "data")));
}

}  // namespace
}  // namespace tinyai
