#include "os/scratch_file.h"

#include <cstdlib>
#include <filesystem>

#include "gtest/gtest.h"
#include "os/testing.h"

namespace tinyai {
namespace {

TEST(ScratchFile, HasNoNameAndHoldsWhatIsWritten) {
  const ScratchDirectory scratch;
  ::setenv("TMPDIR", scratch.path().c_str(), 1);
  const auto file = ScratchFile::Create(100'000);
  ::unsetenv("TMPDIR");
  ASSERT_TRUE(file) << Describe(file.error());
  const std::string bytes = PatternBytes(5000);
  ASSERT_TRUE((*file)->WriteAt(70'000, std::as_bytes(std::span(bytes))));
  const auto reader = (*file)->Open("scratch");
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->size(), 100'000u);
  std::string back(5000, '\0');
  ASSERT_TRUE((*reader)->ReadAt(70'000, std::as_writable_bytes(std::span(back))));
  EXPECT_EQ(back, bytes);
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST(ScratchFile, ADiskThatIsTooSmallIsToldAtOnce) {
  const auto file = ScratchFile::Create(uint64_t{1} << 60);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().key, "IO_WRITE");
}

}  // namespace
}  // namespace tinyai
