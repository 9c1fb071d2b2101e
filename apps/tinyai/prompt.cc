#include "prompt.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/units.h"
#include "fmt/format.h"
#include "os/signals.h"
#include "os/unique_fd.h"

namespace tinyai {
namespace {

// A pipe that nobody writes to must not look like a hang.
constexpr int kSilenceMs = 2000;

tl::unexpected<Error> Stopped() {
  return Fail(ErrorCode::kCancelled, "CANCELLED", "stopped by a signal");
}

tl::unexpected<Error> CannotRead(const std::string& label) {
  return FailAt(ErrorCode::kIo, "IO_READ", std::strerror(errno), label);
}

// Everything up to the end of `fd`.
Result<std::string> ReadAll(int fd, const std::string& label) {
  std::string text;
  char block[16 << 10];
  for (;;) {
    const ssize_t count = ::read(fd, block, sizeof(block));
    if (count == 0) break;
    if (StopSignal() != 0) return Stopped();
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return CannotRead(label);
    text.append(block, static_cast<size_t>(count));
    if (text.size() > TextFlags::kMostBytes) {
      return FailAt(
          ErrorCode::kUsage, "TEXT_TOO_LONG",
          fmt::format("the text is longer than {}", FormatByteSize(TextFlags::kMostBytes)), label);
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

Result<std::string> ReadFile(const std::string& path) {
  // Without O_NONBLOCK, opening a FIFO that nobody writes to would wait for ever.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) {
    return FailAt(ErrorCode::kIo, "OPEN",
                  fmt::format("cannot open the file: {}", std::strerror(errno)), path);
  }
  ::fcntl(fd.get(), F_SETFL, 0);
  return ReadAll(fd.get(), path);
}

// Whether something, be it the end, comes in within the time.
bool ComesIn(int fd, int milliseconds) {
  pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, milliseconds) > 0;
}

}  // namespace

void TextFlags::AddTo(Flags& flags) {
  flags.Text("-p,--prompt", "TEXT", "the text", &text);
  flags.Text("-f,--file", "FILE",
             "file with the text; -: stdin, which is also read without -p or -f", &file);
}

Result<std::optional<std::string>> TextFlags::Read(Console& console) const {
  if (text) {
    if (file) console.Note("-p and -f are both given; -p is used");
    return text;
  }
  if (file && *file != "-") {
    TRY_ASSIGN(std::string all, ReadFile(*file));
    return all;
  }
  if (!file) {
    if (::isatty(STDIN_FILENO) == 1) return std::optional<std::string>();
    if (!ComesIn(STDIN_FILENO, kSilenceMs)) {
      if (StopSignal() != 0) return Stopped();
      console.Note("nothing came in on stdin; going on without (-f - would wait)");
      return std::optional<std::string>();
    }
  }
  TRY_ASSIGN(std::string all, ReadAll(STDIN_FILENO, "stdin"));
  if (all.empty() && !file) return std::optional<std::string>();
  return all;
}

Result<std::vector<TokenId>> ParseTokenIds(std::string_view text) {
  std::vector<TokenId> ids;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    TRY_ASSIGN(const int64_t id, ParseInteger(text.substr(begin, end - begin), 0,
                                              std::numeric_limits<TokenId>::max()));
    ids.push_back(static_cast<TokenId>(id));
    begin = end + 1;
  }
  return ids;
}

}  // namespace tinyai
