#include "os/thread.h"

#include <sched.h>
#include <signal.h>

#include <atomic>

#include "gtest/gtest.h"
#include "os/machine.h"

namespace tinyai {
namespace {

TEST(Thread, RunsItsBodyWithItsNameAndStackBeforeItIsJoined) {
  size_t stack = 0;
  char name[16] = {};
  {
    const auto thread =
        Thread::Start({.name = "a-name-that-is-too-long", .stack_bytes = 3'000'000}, [&] {
          pthread_attr_t attributes;
          ::pthread_getattr_np(::pthread_self(), &attributes);
          ::pthread_attr_getstacksize(&attributes, &stack);
          ::pthread_attr_destroy(&attributes);
          ::pthread_getname_np(::pthread_self(), name, sizeof(name));
        });
    ASSERT_TRUE(thread);
  }
  EXPECT_GE(stack, 3'000'000u);
  EXPECT_STREQ(name, "a-name-that-is-");
}

TEST(Thread, StaysOnItsCpu) {
  for (const uint32_t cpu : AllowedCpus()) {
    std::vector<uint32_t> inside;
    {
      const auto thread = Thread::Start({.cpu = cpu}, [&] { inside = AllowedCpus(); });
      ASSERT_TRUE(thread);
    }
    EXPECT_EQ(inside, std::vector<uint32_t>{cpu});
  }
}

TEST(Thread, StartsEvenIfItsCpuMayNotBeUsed) {
  std::atomic<bool> ran = false;
  for (const uint32_t cpu : {1023u, 1024u, ~0u}) {
    ran = false;
    ASSERT_TRUE(Thread::Start({.cpu = cpu}, [&] { ran = true; }));
    EXPECT_TRUE(ran) << cpu;
  }
}

TEST(Thread, TakesNoSignalsFromOutside) {
  sigset_t blocked;
  ASSERT_TRUE(Thread::Start({}, [&] { ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked); }));
  EXPECT_EQ(::sigismember(&blocked, SIGINT), 1);
  EXPECT_EQ(::sigismember(&blocked, SIGBUS), 0) << "its own fault";
  ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  EXPECT_EQ(::sigismember(&blocked, SIGINT), 0);
}

TEST(Thread, ReportsThatTheSystemHasNoRoom) {
  const auto thread = Thread::Start({.stack_bytes = size_t{1} << 50}, [] {});
  ASSERT_FALSE(thread);
  EXPECT_EQ(thread.error().key, "THREAD");
}

}  // namespace
}  // namespace tinyai
