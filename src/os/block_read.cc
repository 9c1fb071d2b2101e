#include "os/block_read.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/checked.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr uint32_t kMostInterruptions = 1000;
constexpr uint32_t kMostRetries = 1;
constexpr uint32_t kMostFruitlessDirectReads = 8;
// Linux transfers at most 2 GiB less a page at once, and io_uring counts in 32 bits.
constexpr uint64_t kLargestCall = uint64_t{1} << 30;

}  // namespace

BlockRead::BlockRead(std::string_view path, uint64_t file_size, uint64_t offset, std::byte* data,
                     uint64_t size, uint64_t direct_alignment)
    : path_(path),
      offset_(offset),
      wanted_(offset < file_size ? std::min(size, file_size - offset) : 0),
      size_(size),
      direct_alignment_(direct_alignment),
      data_(data),
      used_cache_(direct_alignment == 0) {}

uint64_t BlockRead::size() const {
  return std::min((direct() ? size_ : wanted_) - done_, kLargestCall);
}

Status BlockRead::Advance(int64_t result) {
  if (result < 0) return Failed(static_cast<int>(-result));
  if (result == 0) {
    return FailAt(ErrorCode::kIo, "MODEL_CHANGED",
                  fmt::format("the file ends at byte {}, it was longer when it was opened; "
                              "start again with the new file",
                              offset()),
                  std::string(path_), offset());
  }
  const uint64_t arrived = done_ + static_cast<uint64_t>(result);
  const uint64_t before = done_;
  done_ = direct() && arrived < wanted_ ? RoundDown(arrived, direct_alignment_) : arrived;
  if (done_ > before) {
    interruptions_ = failures_ = fruitless_ = 0;
  } else if (++fruitless_ == kMostFruitlessDirectReads) {
    GoThroughCache();
  }
  return {};
}

Status BlockRead::Failed(int error_number) {
  if (error_number == EINTR || error_number == EAGAIN) {
    if (++interruptions_ > kMostInterruptions) return GiveUp(error_number);
    return {};
  }
  if (direct() && (error_number == EINVAL || error_number == EOPNOTSUPP)) {
    GoThroughCache();
    return {};
  }
  if (++failures_ > kMostRetries) return GiveUp(error_number);
  return {};
}

tl::unexpected<Error> BlockRead::GiveUp(int error_number) const {
  return FailAt(ErrorCode::kIo, "IO_READ",
                fmt::format("reading {} bytes at byte {} failed: {}; check the disk and try again",
                            size(), offset(), std::strerror(error_number)),
                std::string(path_), offset());
}

void BlockRead::GoThroughCache() {
  direct_alignment_ = 0;
  used_cache_ = true;
}

}  // namespace tinyai
