#include "console.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/escape.h"
#include "fmt/format.h"
#include "os/signals.h"

namespace tinyai {
namespace {

constexpr std::chrono::seconds kWorkBeforeProgress(1);

std::string_view Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

// Whether escape sequences mean something to the terminal behind `fd`.
bool UnderstandsEscapes(int fd) {
  const std::string_view kind = Environment("TERM");
  return ::isatty(fd) == 1 && !kind.empty() && kind != "dumb";
}

// 0, or the number of the error.
int WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR && StopSignal() == 0) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

}  // namespace

Console::Console()
    : answer_is_terminal_(::isatty(STDOUT_FILENO) == 1),
      shows_progress_(UnderstandsEscapes(STDERR_FILENO)),
      has_colors_(UnderstandsEscapes(STDOUT_FILENO) && Environment("NO_COLOR").empty()),
      start_(std::chrono::steady_clock::now()) {}

Status Console::Answer(std::string_view text) {
  EndProgress();
  const int error = WriteAll(STDOUT_FILENO, text);
  if (error == 0) return {};
  if (error == EPIPE) return tinyai::Fail(ErrorCode::kOther, "STDOUT_CLOSED", "nobody reads on");
  if (error == EINTR) {
    return tinyai::Fail(ErrorCode::kCancelled, "CANCELLED", "stopped by a signal");
  }
  return tinyai::Fail(ErrorCode::kIo, "IO_WRITE",
                      fmt::format("cannot write to the standard output: {}", std::strerror(error)));
}

void Console::Say(std::string_view line) {
  EndProgress();
  WriteAll(STDERR_FILENO, fmt::format("{}\n", line));
}

void Console::Note(std::string_view line) {
  if (!quiet) Say(fmt::format("note: {}", EscapeControl(line)));
}

void Console::Fail(const Error& error) { Say(fmt::format("error: {}", Describe(error))); }

void Console::Explain(const Diagnostics& diagnostics) {
  if (diagnostics.all().empty()) return;
  EndProgress();
  WriteAll(STDERR_FILENO, diagnostics.Text());
  explained_ = diagnostics.Located();
}

void Console::Progress(std::string_view line) {
  if (!shows_progress()) return;
  if (std::chrono::steady_clock::now() - start_ < kWorkBeforeProgress) return;
  const std::lock_guard lock(progress_mutex_);
  WriteAll(STDERR_FILENO, fmt::format("\r\x1b[K{}", line));
  progress_shown_ = true;
}

void Console::EndProgress() {
  const std::lock_guard lock(progress_mutex_);
  if (progress_shown_) WriteAll(STDERR_FILENO, "\r\x1b[K");
  progress_shown_ = false;
}

std::string Console::Bold(std::string_view text) const {
  return has_colors_ ? fmt::format("\x1b[1m{}\x1b[0m", text) : std::string(text);
}

}  // namespace tinyai
