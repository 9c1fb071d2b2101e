#include "os/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/checked.h"
#include "fmt/format.h"
#include "os/block_read.h"

namespace tinyai {
namespace {

constexpr uint64_t kPage = 4096;

FileIdentity FromStat(const struct stat& status) {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = static_cast<uint64_t>(status.st_size),
          .modified_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

std::string_view KindOfFile(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "not a regular file";
}

tl::unexpected<Error> CannotOpen(const std::string& label, std::string why) {
  return FailAt(ErrorCode::kIo, "OPEN", std::move(why), label);
}

std::string WhyNotOpened(int error_number) {
  const char* hint = "";
  if (error_number == ENOENT) hint = "; check the path";
  if (error_number == EACCES) hint = "; check its permissions";
  if (error_number == EMFILE || error_number == ENFILE) hint = "; raise the limit (ulimit -n)";
  return fmt::format("cannot open the file: {}{}", std::strerror(error_number), hint);
}

}  // namespace

std::optional<FileIdentity> IdentityOf(int fd) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return FromStat(status);
}

Status CheckIdentity(int fd, const FileIdentity& identity, const std::string& disk_path,
                     const std::string& label) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) {
    return FailAt(ErrorCode::kIo, "IO_READ",
                  fmt::format("cannot ask for its state: {}", std::strerror(errno)), label);
  }
  if (FromStat(status) != identity) {
    return FailAt(ErrorCode::kIo, "MODEL_CHANGED",
                  "the file was changed while it was in use; start again with the new file", label);
  }
  if (::stat(disk_path.c_str(), &status) == 0 && FromStat(status) != identity) {
    return FailAt(ErrorCode::kIo, "MODEL_CHANGED",
                  "the path names another file now; start again with the new file", label);
  }
  return {};
}

void DropCached(int fd, uint64_t offset, uint64_t size) {
  // The kernel keeps pages that a range covers only in part.
  const uint64_t begin = RoundDown(offset, kPage);
  const uint64_t end = RoundUp(offset + size, kPage);
  ::posix_fadvise(fd, static_cast<off_t>(begin), static_cast<off_t>(end - begin),
                  POSIX_FADV_DONTNEED);
}

Result<std::unique_ptr<File>> File::Open(const std::string& path, SystemCalls& system) {
  std::unique_ptr<File> file(new File(system, path, path));
  TRY(file->OpenDescriptor());
  file->size_ = file->identity_.size;
  return file;
}

Result<std::unique_ptr<File>> File::OpenPart(const std::string& path, uint64_t begin, uint64_t size,
                                             std::string label, SystemCalls& system) {
  std::unique_ptr<File> file(new File(system, path, std::move(label)));
  TRY(file->OpenDescriptor());
  const uint64_t whole = file->identity_.size;
  if (begin % kPage != 0 || begin > whole || size > whole - begin) {
    return CannotOpen(file->label_, fmt::format("bytes {} and the {} after it are not a part of {}",
                                                begin, size, path));
  }
  file->begin_ = begin;
  file->size_ = size;
  return file;
}

Result<std::unique_ptr<File>> File::InMemory(std::string label, std::span<const std::byte> bytes) {
  std::unique_ptr<File> file(new File(SystemCalls::Real(), "", std::move(label)));
  file->fd_ = UniqueFd(::memfd_create("tinyai", MFD_CLOEXEC));
  if (!file->fd_) {
    return FailAt(ErrorCode::kOutOfMemory, "OUT_OF_MEMORY",
                  fmt::format("no memory for a file: {}", std::strerror(errno)), file->label_);
  }
  while (file->size_ < bytes.size()) {
    const ssize_t written =
        ::write(file->fd_.get(), bytes.data() + file->size_, bytes.size() - file->size_);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      return FailAt(ErrorCode::kIo, "IO_WRITE",
                    fmt::format("cannot write to memory: {}", std::strerror(errno)), file->label_);
    }
    file->size_ += static_cast<uint64_t>(written);
  }
  struct stat status = {};
  if (::fstat(file->fd_.get(), &status) != 0) return CannotOpen(file->label_, WhyNotOpened(errno));
  file->identity_ = FromStat(status);
  return file;
}

Status File::OpenDescriptor() {
  if (disk_path_.find('\0') != std::string::npos) {
    return CannotOpen(label_, "the path contains a NUL byte");
  }
  // Without O_NONBLOCK, opening a FIFO waits for its writer.
  const int fd = system_.Open(disk_path_.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return CannotOpen(label_, WhyNotOpened(-fd));
  fd_ = UniqueFd(fd);
  struct stat status = {};
  if (::fstat(fd, &status) != 0) return CannotOpen(label_, WhyNotOpened(errno));
  if (!S_ISREG(status.st_mode)) {
    return CannotOpen(
        label_, fmt::format("it is {}, a model is a regular file", KindOfFile(status.st_mode)));
  }
  identity_ = FromStat(status);
  ::fcntl(fd, F_SETFL, 0);                       // io_uring would not wait for such a file
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);  // no read-ahead that nobody counts
  return {};
}

Status File::ReadAt(uint64_t offset, std::span<std::byte> out) const {
  TRY(ReadKept(offset, out));
  DropCached(fd_.get(), begin_ + offset, out.size());
  return {};
}

Status File::ReadKept(uint64_t offset, std::span<std::byte> out) const {
  if (offset > size_ || out.size() > size_ - offset) {
    return FailAt(
        ErrorCode::kIo, "IO_READ",
        fmt::format("{} bytes at byte {} are past the end at {}", out.size(), offset, size_),
        label_, offset);
  }
  BlockRead read(label_, size_, offset, out.data(), out.size(), 0);
  while (!read.finished()) {
    TRY(read.Advance(system_.Pread(fd_.get(), read.data(), read.size(), begin_ + read.offset())));
  }
  return {};
}

Status File::CheckUnchanged() const {
  return CheckIdentity(fd_.get(), identity_, disk_path_, label_);
}

}  // namespace tinyai
