#pragma once

#include <memory>
#include <stop_token>

#include "base/result.h"
#include "console.h"
#include "search_flags.h"
#include "stop_watcher.h"

namespace tinyai {

// A search that a signal ends: it then returns the best that it has.
class StoppableSearch {
 public:
  // A time that is given counts from here. Error THREAD.
  static Result<std::unique_ptr<StoppableSearch>> Start(const SearchFlags& flags);
  ~StoppableSearch();
  StoppableSearch(const StoppableSearch&) = delete;
  StoppableSearch& operator=(const StoppableSearch&) = delete;

  const SearchLimits& limits() const { return limits_; }

 private:
  StoppableSearch() = default;

  std::stop_source stop_;
  SearchLimits limits_;
  std::unique_ptr<StopWatcher> watcher_;
};

// The exit code of a command whose search has given an answer: that of a clean stop where a signal
// ended it, which is then said.
int ExitCodeOfSearch(int code, Console& console);

}  // namespace tinyai
