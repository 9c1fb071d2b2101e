#include "os/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/units.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr int kUsualMode = 0666;
constexpr int kMostLinks = 40;            // as the system
constexpr int kMostInterruptions = 1000;  // of one write
// Written pages are given back in pieces of this size, so that few are dirty at a time.
constexpr uint64_t kDropBytes = 16 * kMiB;

// What new files may not be. Asked for by setting it, the system tells it too, but then a file that
// another thread makes meanwhile is open to all.
int CurrentMask() {
  constexpr int kNothingForOthers = 077;  // where the system does not tell
  std::ifstream status("/proc/thread-self/status");
  for (std::string word; status >> word;) {
    if (int mask = 0; word == "Umask:" && status >> std::oct >> mask) return mask;
  }
  return kNothingForOthers;
}

std::string FollowLinks(const std::string& path) {
  std::filesystem::path at = path;
  for (int i = 0; i < kMostLinks; ++i) {
    std::error_code error;
    const std::filesystem::path next = std::filesystem::read_symlink(at, error);
    if (error) break;
    at = at.parent_path() / next;
  }
  return at.string();
}

tl::unexpected<Error> Refuse(std::string_view key, const std::string& path, std::string message) {
  return tl::unexpected<Error>(Error{ErrorCode::kIo, key, std::move(message), path});
}

}  // namespace

AtomicFile::AtomicFile(std::string path, bool replace, WriteCalls& calls)
    : path_(std::move(path)), replace_(replace), calls_(calls) {
  const std::filesystem::path target(path_);
  folder_ = target.has_parent_path() ? target.parent_path().string() : ".";
  part_path_ =
      (std::filesystem::path(folder_) / fmt::format(".{}.part", target.filename().string()))
          .string();
}

Result<std::unique_ptr<AtomicFile>> AtomicFile::Create(const std::string& path,
                                                       const AtomicFileOptions& options,
                                                       WriteCalls& calls) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return Refuse("OUTPUT_TARGET", path, "the path is empty or contains a NUL byte");
  }
  std::unique_ptr<AtomicFile> file(new AtomicFile(FollowLinks(path), options.replace, calls));
  TRY(file->CheckTarget(options));
  TRY(file->CheckSpace(options.bytes));
  TRY(file->OpenTemporary());
  return file;
}

AtomicFile::~AtomicFile() {
  if (has_part_name_) calls_.Unlink(part_path_.c_str());
}

Status AtomicFile::CheckTarget(const AtomicFileOptions& options) {
  mode_ = kUsualMode & ~CurrentMask();
  struct stat there = {};
  if (::stat(path_.c_str(), &there) != 0) {
    if (errno == ENOENT) return {};
    return Failed("cannot look at the path", errno);
  }
  for (const File* input : options.inputs) {
    const FileIdentity& identity = input->identity();
    if (there.st_dev != identity.device || there.st_ino != identity.inode) continue;
    return Refuse("OUTPUT_IS_INPUT", path_,
                  "this is the file that is read, by this or another name; choose another");
  }
  if (!S_ISREG(there.st_mode)) {
    return Refuse("OUTPUT_TARGET", path_,
                  S_ISDIR(there.st_mode) ? "this is a directory; name a file in it"
                                         : "this is no regular file; name one");
  }
  if (!options.replace) {
    return Refuse("OUTPUT_EXISTS", path_,
                  "there is such a file already; --force replaces it, or choose another name");
  }
  if (::access(path_.c_str(), W_OK) != 0) {
    return Refuse("OUTPUT_TARGET", path_, "the file that is there may not be written");
  }
  mode_ = static_cast<int>(there.st_mode & 0777);
  return {};
}

// A file that is replaced stays until the new one is whole.
Status AtomicFile::CheckSpace(uint64_t bytes) {
  struct statvfs space = {};
  if (bytes == 0 || ::statvfs(folder_.c_str(), &space) != 0) return {};
  const uint64_t free = uint64_t{space.f_bavail} * space.f_frsize;
  if (free >= bytes) return {};
  return Refuse("IO_WRITE", path_,
                fmt::format("the file takes {}, the disk has {} free", FormatByteSize(bytes),
                            FormatByteSize(free)));
}

Status AtomicFile::OpenTemporary() {
  // What is there is left over from a crash, unless its writer still holds the lock.
  if (UniqueFd old(::open(part_path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
      old) {
    if (::flock(old.get(), LOCK_EX | LOCK_NB) == 0) calls_.Unlink(part_path_.c_str());
  }
  const int fd = calls_.OpenUnnamed(folder_.c_str(), mode_);
  if (fd == -EOPNOTSUPP || fd == -EISDIR || fd == -EINVAL) return OpenNamed();
  if (fd < 0) return Failed("cannot write to this folder", -fd);
  fd_ = UniqueFd(fd);
  ::flock(fd_.get(), LOCK_EX | LOCK_NB);
  ::fchmod(fd_.get(), static_cast<mode_t>(mode_));
  return {};
}

Status AtomicFile::OpenNamed() {
  const int fd = calls_.OpenNew(part_path_.c_str(), mode_);
  if (fd < 0) return Failed("cannot write to this folder", -fd);
  fd_ = UniqueFd(fd);
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    return Refuse("IO_WRITE", path_, "another process is writing this file just now");
  }
  has_part_name_ = true;
  if (::ftruncate(fd_.get(), 0) != 0) return Failed("cannot write the file", errno);
  ::fchmod(fd_.get(), static_cast<mode_t>(mode_));
  return {};
}

Status AtomicFile::WriteAt(uint64_t offset, std::span<const std::byte> bytes) {
  const uint64_t begin = offset;
  int interruptions = 0;
  while (!bytes.empty()) {
    const int64_t result = calls_.Pwrite(fd_.get(), bytes.data(), bytes.size(), offset);
    if (result == -EINTR && ++interruptions < kMostInterruptions) continue;
    if (result <= 0)
      return Failed("cannot write the file", result == 0 ? EIO : static_cast<int>(-result));
    bytes = bytes.subspan(static_cast<size_t>(result));
    offset += static_cast<uint64_t>(result);
  }
  if (begin == written_) {
    written_ = offset;
    if (written_ - dropped_ >= 2 * kDropBytes) DropWritten();
  }
  return {};
}

// The older half of what is still cached has mostly reached the disk by now.
void AtomicFile::DropWritten() {
  const auto begin = static_cast<off_t>(dropped_);
  const auto size = static_cast<off_t>(kDropBytes);
  ::sync_file_range(fd_.get(), begin + size, size, SYNC_FILE_RANGE_WRITE);
  ::sync_file_range(
      fd_.get(), begin, size,
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  ::posix_fadvise(fd_.get(), begin, size, POSIX_FADV_DONTNEED);
  dropped_ += kDropBytes;
}

Status AtomicFile::Sync(int fd, const std::string& what) {
  const int result = calls_.Fsync(fd);  // never tried again: the pages it failed for are gone
  return result < 0 ? Status(Failed(what, -result)) : Status();
}

Status AtomicFile::Commit() {
  TRY(Sync(fd_.get(), "cannot make the file safe"));
  ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED);
  TRY(TakeName());
  const UniqueFd folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return Failed("cannot make the file's name safe", errno);
  return Sync(folder.get(), "cannot make the file's name safe");
}

Status AtomicFile::TakeName() {
  if (!has_part_name_) {
    const int linked = calls_.Link(fd_.get(), path_.c_str());
    if (linked == 0) return {};
    if (linked != -EEXIST) return Failed("cannot give the file its name", -linked);
    if (!replace_) return Refuse("OUTPUT_EXISTS", path_, "somebody has made such a file meanwhile");
    const int part = calls_.Link(fd_.get(), part_path_.c_str());
    if (part < 0) return Failed("cannot give the file its name", -part);
    has_part_name_ = true;
  }
  struct stat there = {};
  if (!replace_ && ::stat(path_.c_str(), &there) == 0) {
    return Refuse("OUTPUT_EXISTS", path_, "somebody has made such a file meanwhile");
  }
  const int renamed = calls_.Rename(part_path_.c_str(), path_.c_str());
  if (renamed < 0) return Failed("cannot give the file its name", -renamed);
  has_part_name_ = false;
  return {};
}

tl::unexpected<Error> AtomicFile::Failed(std::string_view what, int error_number) const {
  return FailAt(ErrorCode::kIo, "IO_WRITE",
                fmt::format("{}: {}", what, std::strerror(error_number)), path_);
}

}  // namespace tinyai
