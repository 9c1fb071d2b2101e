#include "os/scratch_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "fmt/format.h"

namespace tinyai {
namespace {

tl::unexpected<Error> CannotWrite(const std::string& folder, int error_number) {
  return FailAt(ErrorCode::kIo, "IO_WRITE",
                fmt::format("cannot write a temporary file: {}; TMPDIR says where",
                            std::strerror(error_number)),
                folder);
}

}  // namespace

Result<std::unique_ptr<ScratchFile>> ScratchFile::Create(uint64_t bytes) {
  const char* chosen = std::getenv("TMPDIR");
  int error_number = ENOENT;
  for (const char* folder : {chosen, "/var/tmp", "/tmp"}) {
    if (folder == nullptr || *folder == '\0') continue;
    UniqueFd fd(::open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    error_number = errno;
    if (!fd) continue;
    const auto size = static_cast<off_t>(bytes);
    // Where blocks cannot be set aside the size alone is enough, and a write tells of a full disk.
    if (bytes > 0 && ::posix_fallocate(fd.get(), 0, size) == ENOSPC) {
      return CannotWrite(folder, ENOSPC);
    }
    if (::ftruncate(fd.get(), size) != 0) return CannotWrite(folder, errno);
    auto file = std::make_unique<ScratchFile>();
    file->fd_ = std::move(fd);
    file->folder_ = folder;
    file->bytes_ = bytes;
    return file;
  }
  return CannotWrite(chosen != nullptr ? chosen : "/var/tmp", error_number);
}

Status ScratchFile::WriteAt(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return CannotWrite(folder_, written == 0 ? EIO : errno);
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
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
