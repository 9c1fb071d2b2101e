#include "os/child_process.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <thread>

namespace tinyai {
namespace {

using namespace std::chrono_literals;

TEST(ChildProcess, GivesTheTextBack) {
  int touched = 0;
  const Result<std::string> text = RunInChild(
      [&] {
        touched = 1;
        return std::string(200'000, 'x');
      },
      10s);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, std::string(200'000, 'x'));
  EXPECT_EQ(touched, 0);
}

TEST(ChildProcess, ACrashIsAnErrorThatNamesTheSignal) {
  const Result<std::string> text = RunInChild(
      []() -> std::string {
        std::raise(SIGKILL);
        return "not reached";
      },
      10s);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().key, "CHILD_CRASHED");
  EXPECT_NE(text.error().message.find("signal 9"), std::string::npos) << text.error().message;
}

TEST(ChildProcess, AnEarlyExitIsAnError) {
  const Result<std::string> text = RunInChild([]() -> std::string { std::_Exit(3); }, 10s);
  ASSERT_FALSE(text);
  EXPECT_NE(text.error().message.find("code 3"), std::string::npos) << text.error().message;
}

TEST(ChildProcess, OneThatNeverAnswersIsKilled) {
  const Result<std::string> text = RunInChild(
      []() -> std::string {
        for (;;) std::this_thread::sleep_for(1s);
      },
      50ms);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().key, "CHILD_TIMEOUT");
}

}  // namespace
}  // namespace tinyai
