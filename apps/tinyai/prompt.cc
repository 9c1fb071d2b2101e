#include "prompt.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "fmt/format.h"
#include "os/signals.h"
#include "whole_file.h"

namespace tinyai {
namespace {

// A pipe that nobody writes to must not look like a hang.
constexpr int kSilenceMs = 2000;

// One newline at the end of a file is not part of the text.
std::string WithoutLastNewline(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
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
    TRY_ASSIGN(std::string all, ReadWholeFile(*file, kMostBytes));
    return WithoutLastNewline(std::move(all));
  }
  if (!file) {
    if (::isatty(STDIN_FILENO) == 1) return std::optional<std::string>();
    if (!ComesIn(STDIN_FILENO, kSilenceMs)) {
      if (StopSignal() != 0) {
        return Fail(ErrorCode::kCancelled, "CANCELLED", "stopped by a signal");
      }
      console.Note("nothing came in on stdin; going on without (-f - would wait)");
      return std::optional<std::string>();
    }
  }
  TRY_ASSIGN(std::string all, ReadWholeFile("-", kMostBytes));
  all = WithoutLastNewline(std::move(all));
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
