#include "base/dtype.h"

#include <set>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

struct Known {
  uint32_t id;
  std::string_view name;
  uint32_t elements, bytes;
};
// Sizes counted by hand from what a block holds: scales (2 bytes each, for the K types also packed
// ones) and bits per element.
constexpr Known kKnown[] = {
    {0, "F32", 1, 4},
    {1, "F16", 1, 2},
    {30, "BF16", 1, 2},
    {2, "Q4_0", 32, 2 + 32 * 4 / 8},
    {3, "Q4_1", 32, 2 + 2 + 32 * 4 / 8},
    {6, "Q5_0", 32, 2 + 32 * 5 / 8},
    {7, "Q5_1", 32, 2 + 2 + 32 * 5 / 8},
    {8, "Q8_0", 32, 2 + 32},
    {12, "Q4_K", 256, 2 + 2 + 12 + 256 * 4 / 8},
    {13, "Q5_K", 256, 2 + 2 + 12 + 256 * 5 / 8},
    {14, "Q6_K", 256, 2 + 16 + 256 * 6 / 8},
};

TEST(DType, HasTheSizesOfItsBlocks) {
  for (const Known& known : kKnown) {
    const std::optional<DType> type = DTypeFromGguf(known.id);
    ASSERT_TRUE(type) << known.name;
    EXPECT_EQ(Name(*type), known.name);
    EXPECT_EQ(Info(*type).block_elements, known.elements) << known.name;
    EXPECT_EQ(Info(*type).block_bytes, known.bytes) << known.name;
    EXPECT_EQ(RowBytes(*type, 4096), 4096u / known.elements * known.bytes) << known.name;
  }
}

TEST(DType, OursAreNoneOfGgufs) {
  EXPECT_EQ(DTypeFromName("int2"), DType::kInt2);
  EXPECT_EQ(RowBytes(DType::kInt2, 4096), 4096u / 32 * (2 + 32 * 2 / 8));
  EXPECT_FALSE(IsGguf(DType::kInt2));
}

TEST(DType, IsFoundByNameInAnyCase) {
  for (const Known& known : kKnown) EXPECT_EQ(DTypeFromName(known.name), DTypeFromGguf(known.id));
  EXPECT_EQ(DTypeFromName("q4_k"), DType::kQ4_K);
  EXPECT_EQ(DTypeFromName("bF16"), DType::kBF16);
  for (const char* name : {"", "Q4", "Q4_0 ", "Q4_00", "F64", "q4-0"}) {
    EXPECT_EQ(DTypeFromName(name), std::nullopt) << name;
  }
}

TEST(DType, KnowsNoOtherIds) {
  std::set<uint32_t> ids;
  for (const Known& known : kKnown) ids.insert(known.id);
  for (uint32_t id = 0; id < 1000; ++id) EXPECT_EQ(DTypeFromGguf(id).has_value(), ids.contains(id));
  for (const uint32_t id : {256u, 1u << 31, ~0u}) EXPECT_EQ(DTypeFromGguf(id), std::nullopt);
}

}  // namespace
}  // namespace tinyai
