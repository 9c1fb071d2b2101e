#include "base/result.h"

#include "gtest/gtest.h"

namespace tinyai {
namespace {

Result<int> Half(int number) {
  if (number % 2 != 0) return Fail(ErrorCode::kUsage, "ODD", "it is odd");
  return number / 2;
}

Result<int> Quarter(int number) {
  TRY_ASSIGN(const int half, Half(number));
  TRY(Half(half));
  return half / 2;
}

TEST(Result, HandsErrorsUp) {
  EXPECT_EQ(Quarter(8), 2);
  EXPECT_EQ(Quarter(3).error().key, "ODD");
  EXPECT_EQ(Quarter(6).error().key, "ODD");
}

TEST(Result, DescribesAnErrorOnOneSafeLine) {
  EXPECT_EQ(Describe({ErrorCode::kOther, "KEY", "what\nhappened"}), "KEY: what\\x0Ahappened");
  EXPECT_EQ(Describe({ErrorCode::kIo, "IO_READ", "failed", "a\x1B[2J.gguf", 4096}),
            "IO_READ: failed (a\\x1B[2J.gguf, byte 4096)");
  EXPECT_EQ(Describe({ErrorCode::kIo, "OPEN", "failed", "a.gguf"}), "OPEN: failed (a.gguf)");
}

}  // namespace
}  // namespace tinyai
