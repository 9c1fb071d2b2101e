#include "os/thread.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "base/checked.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

struct StartArguments {
  std::string name;
  std::function<void()> body;
};

// All but those that a thread brings on itself, whose handlers must run in it, and the profiler's.
sigset_t SignalsForOthers() {
  sigset_t set;
  ::sigfillset(&set);
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) {
    ::sigdelset(&set, own);
  }
  return set;
}

void* Main(void* argument) {
  const std::unique_ptr<StartArguments> start(static_cast<StartArguments*>(argument));
  if (!start->name.empty()) ::pthread_setname_np(::pthread_self(), start->name.c_str());
  start->body();
  return nullptr;
}

// Attributes of one pthread_create.
class Attributes {
 public:
  explicit Attributes(const ThreadOptions& options) {
    ::pthread_attr_init(&value_);
    const size_t stack = std::max<size_t>(options.stack_bytes, PTHREAD_STACK_MIN);
    ::pthread_attr_setstacksize(&value_, RoundUp(stack, 4096));
    cpu_set_t allowed;
    if (!options.cpu || *options.cpu >= CPU_SETSIZE) return;
    if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
    if (!CPU_ISSET(*options.cpu, &allowed)) return;
    CPU_ZERO(&allowed);
    CPU_SET(*options.cpu, &allowed);
    ::pthread_attr_setaffinity_np(&value_, sizeof(allowed), &allowed);
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() { ::pthread_attr_destroy(&value_); }
  const pthread_attr_t* get() const { return &value_; }

 private:
  pthread_attr_t value_;
};

}  // namespace

Result<Thread> Thread::Start(const ThreadOptions& options, std::function<void()> body) {
  auto start =
      std::make_unique<StartArguments>(StartArguments{options.name.substr(0, 15), std::move(body)});
  const Attributes attributes(options);
  const sigset_t blocked = SignalsForOthers();
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);  // inherited by the new thread
  pthread_t handle;
  const int error = ::pthread_create(&handle, attributes.get(), Main, start.get());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    return Fail(ErrorCode::kOutOfMemory, "THREAD",
                fmt::format("cannot start thread '{}': {}; use fewer threads or raise the limit "
                            "(ulimit -u, pids of the cgroup)",
                            options.name, std::strerror(error)));
  }
  static_cast<void>(start.release());  // Main's by now
  Thread thread;
  thread.handle_ = handle;
  return thread;
}

Thread& Thread::operator=(Thread&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

void Thread::Join() {
  if (handle_) ::pthread_join(*std::exchange(handle_, std::nullopt), nullptr);
}

void Thread::Detach() {
  if (handle_) ::pthread_detach(*std::exchange(handle_, std::nullopt));
}

}  // namespace tinyai
