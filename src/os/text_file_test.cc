#include "os/text_file.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "os/testing.h"

namespace tinyai {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(TextFile, IsReadUpToItsLimit) {
  const ScratchDirectory scratch;
  const std::string text = PatternBytes(10'000);
  const std::string path = scratch.Write("text", text);
  EXPECT_EQ(ReadTextFile(path), text);
  EXPECT_EQ(ReadTextFile(path, 4096), text.substr(0, 4096));
  EXPECT_EQ(ReadTextFile(scratch.Write("empty", "")), "");
  EXPECT_EQ(ReadTextFile(path + "x"), std::nullopt);
  EXPECT_EQ(ReadTextFile(scratch.path().string()), std::nullopt);
  EXPECT_TRUE(ReadTextFile("/proc/self/status")->starts_with("Name:"));
}

TEST(TextFile, IsSplitWithoutEmptyParts) {
  EXPECT_THAT(Split("a b  c ", ' '), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Split("\n\n", '\n'), IsEmpty());
  EXPECT_THAT(Split("", ' '), IsEmpty());
  EXPECT_THAT(Split("ab", ','), ElementsAre("ab"));
}

TEST(TextFile, NumbersAreFoundAfterKeysAtLineStarts) {
  const std::string_view text = "Name:\tThreads: 9\nThreads:\t3\nVmHWM:  10 kB\nBad: x\n";
  EXPECT_EQ(NumberAfter(text, "Threads:"), 3u);
  EXPECT_EQ(NumberAfter(text, "VmHWM:"), 10u);
  EXPECT_EQ(NumberAfter(text, "Bad:"), std::nullopt);
  EXPECT_EQ(NumberAfter(text, "Missing:"), std::nullopt);
  EXPECT_EQ(LeadingNumber("18446744073709551616"), std::nullopt);
  EXPECT_EQ(LeadingNumber("-1"), std::nullopt);
  EXPECT_EQ(LeadingNumber(""), std::nullopt);
}

}  // namespace
}  // namespace tinyai
