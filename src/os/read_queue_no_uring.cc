// Takes the place of read_queue_uring.cc where liburing is missing.
#include "os/read_queue_paths.h"

namespace tinyai {

Result<std::unique_ptr<ReadQueue>> OpenUringQueue(std::vector<ReadTarget>&, uint32_t,
                                                  SystemCalls&) {
  return Fail(ErrorCode::kUnsupported, "IO_URING", "this build has no io_uring");
}

}  // namespace tinyai
