#include "stoppable_search.h"

#include "os/signals.h"

namespace tinyai {

Result<std::unique_ptr<StoppableSearch>> StoppableSearch::Start(const SearchFlags& flags) {
  std::unique_ptr<StoppableSearch> out(new StoppableSearch);
  out->limits_ = flags.Limits();
  out->limits_.stop = out->stop_.get_token();
  TRY_ASSIGN(out->watcher_, StopWatcher::Start());
  out->watcher_->CallOnStop([search = out.get()] { search->stop_.request_stop(); });
  return out;
}

StoppableSearch::~StoppableSearch() {
  if (watcher_) watcher_->CallOnStop({});
}

int ExitCodeOfSearch(int code, Console& console) {
  if (StopSignal() == 0) return code;
  console.Note("stopped: this is the best found so far");
  return 128 + StopSignal();
}

}  // namespace tinyai
