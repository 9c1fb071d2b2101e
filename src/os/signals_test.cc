#include "os/signals.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

// Exit code of a child that runs `body`; 1000 + signal if one ended it.
int RunInChild(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    CatchStopSignals();
    ::_exit(body());
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(Signals, OnlySetAFlag) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    EXPECT_EQ(RunInChild([=] {
                if (StopSignal() != 0) return 99;
                ::raise(number);
                return StopSignal();
              }),
              number);
  }
}

TEST(Signals, KeepTheFirstOne) {
  EXPECT_EQ(RunInChild([] {
              ::raise(SIGTERM);
              ::raise(SIGHUP);
              return StopSignal();
            }),
            SIGTERM);
}

TEST(Signals, EndTheProcessAtTheSecondInterrupt) {
  EXPECT_EQ(RunInChild([] {
              ::raise(SIGINT);
              ::raise(SIGINT);
              return 0;
            }),
            130);
}

TEST(Signals, LeaveABrokenPipeToWrite) {
  EXPECT_EQ(RunInChild([] {
              ::raise(SIGPIPE);
              return StopSignal();
            }),
            0);
}

}  // namespace
}  // namespace tinyai
