#include "output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "fmt/format.h"
#include "os/signals.h"

namespace tinyai {
namespace {

constexpr mode_t kUsualMode = 0666;

// What new files may not be, which the system tells only by setting it.
mode_t CurrentMask() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return mask;
}

// Where a link leads to, be there a file or not yet: the file is replaced, not the link.
std::string FollowLinks(const std::string& path) {
  constexpr int kMostLinks = 40;  // as the system
  std::filesystem::path at = path;
  for (int i = 0; i < kMostLinks; ++i) {
    std::error_code error;
    const std::filesystem::path next = std::filesystem::read_symlink(at, error);
    if (error) break;
    at = at.parent_path() / next;
  }
  return at.string();
}

}  // namespace

Result<OutputFile> OutputFile::Open(const std::string& path) {
  OutputFile out;
  out.path_ = FollowLinks(path);
  struct stat present;
  const bool there = ::stat(out.path_.c_str(), &present) == 0;
  if (there && !S_ISREG(present.st_mode)) {
    // Without O_NONBLOCK, opening a pipe that nobody reads would wait for ever.
    out.fd_ = UniqueFd(::open(out.path_.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
    if (!out.fd_) return out.Failed();
    ::fcntl(out.fd_.get(), F_SETFL, 0);
    return out;
  }
  if (there && ::access(out.path_.c_str(), W_OK) != 0) return out.Failed();
  out.temporary_ = out.path_ + ".XXXXXX";
  out.fd_ = UniqueFd(::mkostemp(out.temporary_.data(), O_CLOEXEC));
  if (!out.fd_) {
    out.temporary_.clear();
    return out.Failed();
  }
  ::fchmod(out.fd_.get(), there ? present.st_mode & 0777 : kUsualMode & ~CurrentMask());
  return out;
}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(temporary_, other.temporary_);
  std::swap(fd_, other.fd_);
  return *this;
}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status OutputFile::Write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd_.get(), text.data(), text.size());
    // A pipe may be full for ever; a file is finished also while the program is asked to stop.
    if (written < 0 && errno == EINTR && temporary_.empty() && StopSignal() != 0) {
      return Fail(ErrorCode::kCancelled, "CANCELLED", "stopped by a signal");
    }
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed();
    text.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Status OutputFile::Commit() {
  if (temporary_.empty()) return {};
  if (::fsync(fd_.get()) != 0) return Failed();
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return Failed();
  temporary_.clear();
  return {};
}

tl::unexpected<Error> OutputFile::Failed() const {
  return FailAt(ErrorCode::kIo, "IO_WRITE",
                fmt::format("cannot write the file: {}", std::strerror(errno)), path_);
}

}  // namespace tinyai
