#include "engine/checked_read_queue.h"

#include <algorithm>

namespace tinyai {

Status CheckedReadQueue::Submit(const ReadRequest& request) {
  reading_.push_back({request});
  Status submitted = inner_->Submit(request);
  if (!submitted) reading_.pop_back();
  return submitted;
}

Result<uint64_t> CheckedReadQueue::Wait(std::chrono::nanoseconds timeout) {
  for (;;) {
    TRY_ASSIGN(const uint64_t tag, inner_->Wait(timeout));
    const auto read = std::find_if(reading_.begin(), reading_.end(),
                                   [tag](const Reading& one) { return one.request.tag == tag; });
    const ReadRequest request = read->request;
    BlockChecker* const checker = checkers_[request.file];
    Status checked;
    if (checker != nullptr) checked = checker->Check(request.offset, {request.data, request.size});
    if (checked || read->again) {
      reading_.erase(read);
      TRY(checked);
      return tag;
    }
    TRY(inner_->Submit(request));
    read->again = true;
  }
}

}  // namespace tinyai
