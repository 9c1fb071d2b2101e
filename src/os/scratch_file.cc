#include "os/scratch_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "fmt/format.h"
#include "os/block_read.h"
#include "os/system_calls.h"

namespace tinyai {
namespace {

tl::unexpected<Error> CannotWrite(const std::string& folder, int error_number, uint64_t bytes = 0) {
  const std::string size = bytes == 0 ? "" : fmt::format(" of {} bytes", bytes);
  return FailAt(ErrorCode::kIo, "IO_WRITE",
                fmt::format("cannot write a temporary file{}: {}; TMPDIR says where", size,
                            std::strerror(error_number)),
                folder);
}

}  // namespace

Result<std::unique_ptr<ScratchFile>> ScratchFile::Create(uint64_t bytes, WriteCalls& calls) {
  const char* chosen = std::getenv("TMPDIR");
  int error_number = ENOENT;
  for (const char* folder : {chosen, "/var/tmp", "/tmp"}) {
    if (folder == nullptr || *folder == '\0') continue;
    const int opened = calls.OpenUnnamed(folder, 0600);
    if (opened < 0) {
      error_number = -opened;
      continue;
    }
    UniqueFd fd(opened);
    const auto size = static_cast<off_t>(bytes);
    // Where blocks cannot be set aside the size alone is enough, and a write tells of a full disk.
    if (bytes > 0 && ::posix_fallocate(fd.get(), 0, size) == ENOSPC) {
      return CannotWrite(fmt::format("{}", folder), ENOSPC, bytes);
    }
    if (::ftruncate(fd.get(), size) != 0) return CannotWrite(folder, errno);
    auto file = std::make_unique<ScratchFile>();
    const std::string path = fmt::format("/proc/self/fd/{}", fd.get());
    file->calls_ = &calls;
    file->direct_ = UniqueFd(::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
    file->fd_ = std::move(fd);
    file->folder_ = folder;
    file->bytes_ = bytes;
    return file;
  }
  return CannotWrite(chosen != nullptr ? chosen : "/var/tmp", error_number);
}

// Returns the error, 0 if there was none; what was written is gone from `bytes`.
int ScratchFile::WriteTo(int fd, uint64_t unit, uint64_t& offset,
                         std::span<const std::byte>& bytes) {
  while (!bytes.empty()) {
    const int64_t written = calls_->Pwrite(fd, bytes.data(), bytes.size(), offset);
    if (written == -EINTR) continue;
    if (written <= 0) return written == 0 ? EIO : static_cast<int>(-written);
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
    if (static_cast<uint64_t>(written) % unit != 0) return EINVAL;
  }
  return 0;
}

Status ScratchFile::WriteAt(uint64_t offset, std::span<const std::byte> bytes) {
  const int error = WriteTo(fd_.get(), 1, offset, bytes);
  if (error != 0) return CannotWrite(folder_, error);
  return {};
}

Status ScratchFile::WriteBlocks(uint64_t offset, std::span<const std::byte> bytes) {
  int error = direct_ ? WriteTo(direct_.get(), kBlock, offset, bytes) : EINVAL;
  if (error == EINVAL) {
    const auto begin = static_cast<off_t>(offset), size = static_cast<off_t>(bytes.size());
    error = WriteTo(fd_.get(), 1, offset, bytes);
    ::sync_file_range(
        fd_.get(), begin, size,
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    ::posix_fadvise(fd_.get(), begin, size, POSIX_FADV_DONTNEED);
  }
  if (error != 0) return CannotWrite(folder_, error);
  return {};
}

Status ScratchFile::ReadBlocks(uint64_t offset, std::span<std::byte> bytes) {
  BlockRead read(folder_, bytes_, offset, bytes.data(), bytes.size(), direct_ ? kBlock : 0);
  while (!read.finished()) {
    const int fd = read.direct() ? direct_.get() : fd_.get();
    TRY(read.Advance(SystemCalls::Real().Pread(fd, read.data(), read.size(), read.offset())));
  }
  if (read.used_cache()) {
    ::posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(bytes.size()),
                    POSIX_FADV_DONTNEED);
  }
  return {};
}

Status ScratchFile::Sync() {
  if (::fdatasync(fd_.get()) != 0) return CannotWrite(folder_, errno);
  return {};
}

Result<std::unique_ptr<File>> ScratchFile::Open(std::string label) const {
  return File::OpenPart(fmt::format("/proc/self/fd/{}", fd_.get()), 0, bytes_, std::move(label));
}

}  // namespace tinyai
