#include "os/read_target.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/checked.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr uint64_t kPage = 4096;

// Block size of direct reads: of memory and of file offsets, whichever is larger. 0 if the file
// system says that it has none.
uint64_t DirectAlignment(int fd) {
#ifdef STATX_DIOALIGN
  struct statx status = {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 &&
      (status.stx_mask & STATX_DIOALIGN) != 0) {
    return std::max(status.stx_dio_mem_align, status.stx_dio_offset_align);
  }
#endif
  return kPage;
}

// Whether one block can really be read that way. Another failure than a refusal is left to the
// reads that matter.
bool TakesDirectReads(int fd, uint64_t offset, uint64_t alignment, SystemCalls& system) {
  alignas(kPage) std::array<std::byte, kPage> block;
  const int64_t result = system.Pread(fd, block.data(), alignment, offset);
  return result != -EINVAL && result != -EOPNOTSUPP;
}

}  // namespace

Result<ReadTarget> ReadTarget::Open(const File& file, bool direct, SystemCalls& system) {
  ReadTarget target;
  target.label_ = file.path();
  target.disk_path_ = file.disk_path();
  target.identity_ = file.identity();
  target.begin_ = file.begin();
  target.size_ = file.size();
  target.cached_fd_ = UniqueFd(::fcntl(file.descriptor(), F_DUPFD_CLOEXEC, 0));
  if (!target.cached_fd_) {
    return FailAt(ErrorCode::kIo, "OPEN",
                  fmt::format("cannot open the file again: {}", std::strerror(errno)),
                  target.label_);
  }
  if (direct) target.OpenDirect(file, system);
  return target;
}

void ReadTarget::OpenDirect(const File& file, SystemCalls& system) {
  const uint64_t alignment = DirectAlignment(cached_fd_.get());
  if (!IsPowerOfTwo(alignment) || alignment > kPage || begin_ % alignment != 0) return;
  // The path in /proc names the very file that is open; without /proc, the file's own path does if
  // nobody replaced it.
  const std::string self = fmt::format("/proc/self/fd/{}", file.descriptor());
  int fd = system.Open(self.c_str(), O_RDONLY | O_DIRECT);
  if (fd == -ENOENT) fd = system.Open(disk_path_.c_str(), O_RDONLY | O_DIRECT | O_NONBLOCK);
  if (fd < 0) return;
  UniqueFd opened(fd);
  if (IdentityOf(fd) != identity_) return;
  ::fcntl(fd, F_SETFL, O_DIRECT);  // without O_NONBLOCK
  if (!TakesDirectReads(fd, begin_, alignment, system)) return;
  direct_fd_ = std::move(opened);
  direct_alignment_ = std::max<uint64_t>(alignment, 512);
}

Status ReadTarget::Finish(const BlockRead& read) const {
  if (read.used_cache()) {
    DropCached(cached_fd_.get(), begin_ + read.start_offset(), read.wanted_bytes());
  }
  return CheckIdentity(cached_fd_.get(), identity_, disk_path_, label_);
}

Status ReadNow(const ReadTarget& target, BlockRead& read, SystemCalls& system) {
  while (!read.finished()) {
    TRY(read.Advance(
        system.Pread(target.descriptor(read), read.data(), read.size(), target.disk_offset(read))));
  }
  return target.Finish(read);
}

uint64_t CommonAlignment(std::span<const ReadTarget> targets) {
  uint64_t alignment = 0;
  for (const ReadTarget& target : targets) {
    alignment = std::max(alignment, target.direct_alignment());
  }
  return alignment != 0 ? alignment : kPage;
}

}  // namespace tinyai
