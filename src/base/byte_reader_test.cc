#include "base/byte_reader.h"

#include <array>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(ByteReader, ReadsLittleEndianNumbersOneAfterAnother) {
  const std::array<uint8_t, 16> bytes = {0x01, 0xFF, 0xFF, 0x04, 0x03, 0x02, 0x01, 0x08,
                                         0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0x99};
  ByteReader in(std::as_bytes(std::span(bytes)));
  EXPECT_EQ(in.Number<uint8_t>("a"), 1);
  EXPECT_EQ(in.Number<int16_t>("b"), -1);
  EXPECT_EQ(in.Number<uint32_t>("c"), 0x01020304u);
  EXPECT_EQ(in.Number<uint64_t>("d"), 0x0102030405060708u);
  EXPECT_EQ(in.left(), 1u);
  EXPECT_EQ(in.position(), 15u);
}

TEST(ByteReader, ReadsFloatsFromUnalignedPlaces) {
  std::array<std::byte, 13> bytes = {};
  const float single = -1.5f;
  const double full = 0.1;
  std::memcpy(bytes.data() + 1, &single, 4);
  std::memcpy(bytes.data() + 5, &full, 8);
  ByteReader in(bytes);
  ASSERT_TRUE(in.Number<uint8_t>("skip"));
  EXPECT_EQ(in.Number<float>("single"), single);
  EXPECT_EQ(in.Number<double>("full"), full);
}

TEST(ByteReader, SaysWhatIsMissingAndMovesNothing) {
  ByteReader in(BytesOf("abc"), "GGUF_TRUNCATED", 21);
  ASSERT_TRUE(in.Bytes("magic", 1));
  const auto number = in.Number<uint64_t>("tensor count");
  ASSERT_FALSE(number);
  EXPECT_EQ(number.error().code, ErrorCode::kBadFile);
  EXPECT_EQ(number.error().key, "GGUF_TRUNCATED");
  EXPECT_EQ(number.error().message, "at byte 22: tensor count: needs 8 bytes, 2 left");
  EXPECT_EQ(number.error().offset, 22u);
  EXPECT_EQ(in.position(), 1u);
  EXPECT_FALSE(in.Bytes("rest", 3));
  EXPECT_FALSE(in.Bytes("rest", ~uint64_t{0}));
  EXPECT_EQ(in.left(), 2u);
  EXPECT_TRUE(in.Bytes("rest", 2));
  EXPECT_TRUE(in.Bytes("nothing", 0));
}

TEST(ByteReader, CountsOnlyWhatCanBeThere) {
  std::array<std::byte, 8 + 30> bytes = {};
  const auto count_of = [&](uint64_t count, size_t item_bytes) {
    std::memcpy(bytes.data(), &count, 8);
    ByteReader in(bytes);
    const auto result = in.Count("entries", item_bytes, "GGUF_COUNT");
    EXPECT_EQ(in.position(), result ? 8u : 0u);
    EXPECT_EQ(result ? "GGUF_COUNT" : result.error().key, "GGUF_COUNT");
    return result.has_value();
  };
  EXPECT_TRUE(count_of(0, 10));
  EXPECT_TRUE(count_of(3, 10));
  EXPECT_FALSE(count_of(4, 10));
  EXPECT_TRUE(count_of(30, 1));
  EXPECT_FALSE(count_of(31, 1));
  for (const uint64_t count : {uint64_t{1} << 40, uint64_t{1} << 63, ~uint64_t{0}}) {
    EXPECT_FALSE(count_of(count, 16)) << count;
  }
}

TEST(ByteReader, ReportsATruncatedCount) {
  ByteReader in(BytesOf("1234567"));
  EXPECT_EQ(in.Count("entries", 1, "GGUF_COUNT").error().key, "TRUNCATED");
}

}  // namespace
}  // namespace tinyai
