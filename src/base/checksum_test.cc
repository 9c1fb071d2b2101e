#include "base/checksum.h"

#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

TEST(Checksum, IsXxh3) {
  // Known values of XXH3_64bits: of nothing, and of "a" (xxhsum -H3).
  EXPECT_EQ(Checksum({}), 0x2D06800538D394C2u);
  EXPECT_EQ(Checksum(std::as_bytes(std::span(std::string_view("a")))), 0xE6C632B61E964E1Fu);
}

TEST(Checksum, DependsOnTheSeed) {
  const std::vector<std::byte> zeros(4096);
  EXPECT_NE(Checksum(zeros, 0), Checksum(zeros, 1));
}

TEST(RunningChecksum, IsThatOfThePiecesTogether) {
  std::vector<std::byte> bytes(10'000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 256);
  RunningChecksum running;
  for (size_t at = 0, size = 1; at < bytes.size(); at += size, size = size * 2 + 1) {
    running.Add(std::span(bytes).subspan(at, std::min(size, bytes.size() - at)));
  }
  EXPECT_EQ(running.value(), Checksum(bytes));
}

}  // namespace
}  // namespace tinyai
