#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lang/diagnostics.h"

namespace tinyai {

// Where a command says things: its answer on stdout, everything else on stderr. Nothing is
// buffered. Failures to write to stderr are ignored.
class Console {
 public:
  Console();

  bool json = false;   // the answer is one JSON object
  bool quiet = false;  // no notes, no timing, no progress

  // Errors IO_WRITE (exit 5), and STDOUT_CLOSED where whoever read it has gone: then there is
  // nobody to tell, and the command ends as if it were done.
  Status Answer(std::string_view text);

  // A line for the person at the terminal.
  void Say(std::string_view line);
  void Note(std::string_view line);
  void Fail(const Error& error);
  // What is wrong with a text, each with its place. The error that it leads to is reported besides.
  void Explain(const Diagnostics& diagnostics);
  const std::vector<LocatedDiagnostic>& explained() const { return explained_; }

  // A line that the next one replaces, on a terminal only, and only after a second of work. From
  // any thread.
  void Progress(std::string_view line);
  void EndProgress();

  bool shows_progress() const { return shows_progress_ && !quiet; }
  bool answer_is_terminal() const { return answer_is_terminal_; }
  // `text` in bold type, where that can be shown.
  std::string Bold(std::string_view text) const;

 private:
  const bool answer_is_terminal_;
  const bool shows_progress_;
  const bool has_colors_;
  const std::chrono::steady_clock::time_point start_;
  std::mutex progress_mutex_;  // guards progress_shown_
  bool progress_shown_ = false;
  std::vector<LocatedDiagnostic> explained_;
};

inline bool IsStdoutClosed(const Error& error) { return error.key == "STDOUT_CLOSED"; }

}  // namespace tinyai
