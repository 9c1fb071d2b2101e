#include "os/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "fmt/format.h"
#include "os/clock.h"
#include "os/unique_fd.h"

namespace tinyai {
namespace {

constexpr size_t kMostBytes = size_t{1} << 20;

// Where a crash is expected it leaves no core file, no message and no handler's output.
void Quieten() {
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTERM, SIGINT}) {
    ::signal(signal, SIG_DFL);
  }
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nowhere < 0) return;
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(nowhere, STDERR_FILENO);
}

[[noreturn]] void BeTheChild(const std::function<std::string()>& body, int answer) {
  Quieten();
  std::string text = body();
  text.resize(std::min(text.size(), kMostBytes));
  std::string_view left = text;
  while (!left.empty()) {
    const ssize_t written = ::write(answer, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    left.remove_prefix(static_cast<size_t>(written));
  }
  ::_exit(left.empty() ? 0 : 1);  // no destructors: those are the parent's business
}

// All that comes until the writer is gone; false if the time was over before.
bool ReadAll(int fd, int64_t deadline_ns, std::string& text) {
  std::array<char, 4096> block;
  for (;;) {
    const int64_t left_ns = deadline_ns - MonotonicNs();
    if (left_ns <= 0) return false;
    pollfd waiting{fd, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left_ns / 1'000'000 + 1));
    if (ready < 0 && errno != EINTR) return true;
    if (ready <= 0) continue;
    const ssize_t size = ::read(fd, block.data(), block.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return true;
    text.append(block.data(), static_cast<size_t>(size));
  }
}

}  // namespace

Result<std::string> RunInChild(const std::function<std::string()>& body,
                               std::chrono::milliseconds timeout) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return Fail(ErrorCode::kOutOfMemory, "THREAD",
                fmt::format("no pipe to another process: {}", std::strerror(errno)));
  }
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) {
    return Fail(ErrorCode::kOutOfMemory, "THREAD",
                fmt::format("cannot start another process: {}", std::strerror(errno)));
  }
  if (child == 0) BeTheChild(body, writing.get());
  writing = UniqueFd();
  std::string text;
  const int64_t deadline_ns = MonotonicNs() + std::chrono::nanoseconds(timeout).count();
  const bool ended = ReadAll(reading.get(), deadline_ns, text);
  if (!ended) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) {
    return Fail(ErrorCode::kUnsupported, "CHILD_TIMEOUT",
                fmt::format("no answer after {} ms", timeout.count()));
  }
  if (WIFSIGNALED(status)) {
    return Fail(
        ErrorCode::kUnsupported, "CHILD_CRASHED",
        fmt::format("killed by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status))));
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Fail(ErrorCode::kUnsupported, "CHILD_CRASHED",
                fmt::format("ended with code {}", WEXITSTATUS(status)));
  }
  return text;
}

}  // namespace tinyai
