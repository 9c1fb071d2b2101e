#include "os/signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace tinyai {
namespace {

std::atomic<int> g_stop_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free, "used by a signal handler");

extern "C" void HandleStopSignal(int number) {
  int none = 0;
  const bool first = g_stop_signal.compare_exchange_strong(none, number);
  if (!first && number == SIGINT) ::_exit(128 + SIGINT);
}

}  // namespace

void CatchStopSignals() {
  struct sigaction action = {};
  action.sa_handler = HandleStopSignal;
  ::sigemptyset(&action.sa_mask);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before = {};
    // What the parent ignores (nohup, a background job) stays ignored.
    if (::sigaction(number, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    ::sigaction(number, &action, nullptr);
  }
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
  ::sigaction(SIGXFSZ, &action, nullptr);  // a file too large is an error of writing
}

int StopSignal() { return g_stop_signal.load(std::memory_order_relaxed); }

}  // namespace tinyai
