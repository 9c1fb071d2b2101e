#include <memory>

#include "test_support.h"

namespace {

tinyai::Result<std::unique_ptr<int>> Make(bool works) {
  if (!works) return tinyai::Error{TINYAI_ERROR_IO, "OPEN", "there is none"};
  return std::make_unique<int>(7);
}

TEST(Result, IsAValueOrAnError) {
  const auto good = Make(true);
  ASSERT_TRUE(good);
  EXPECT_EQ(**good, 7);
  EXPECT_EQ(*Make(true).value(), 7);
  const auto bad = Make(false);
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().key, "OPEN");
  EXPECT_EQ(bad.error().code, TINYAI_ERROR_IO);
  EXPECT_EQ(Make(false).value_or(nullptr), nullptr);
}

TEST(Result, ThrowsWhereAValueIsTakenThatIsNotThere) {
  try {
    Make(false).value();
    FAIL() << "nothing was thrown";
  } catch (const tinyai::BadResult& thrown) {
    EXPECT_STREQ(thrown.what(), "OPEN: there is none");
    EXPECT_EQ(thrown.error().message, "there is none");
  }
  const tinyai::Status done, failed = tinyai::Error{TINYAI_ERROR_USAGE, "ARG_VALUE", "no"};
  EXPECT_TRUE(done);
  EXPECT_NO_THROW(done.value());
  EXPECT_FALSE(failed);
  EXPECT_THROW(failed.value(), tinyai::BadResult);
}

}  // namespace
