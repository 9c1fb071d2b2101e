#include "os/cache_directory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fmt/format.h"
#include "os/clock.h"

namespace tinyai {
namespace {

tl::unexpected<Error> NoCache(std::string why, const std::string& path) {
  return FailAt(ErrorCode::kIo, "NO_CACHE", "nothing is kept for the next time: " + std::move(why),
                path);
}

bool OursAlone(const struct stat& status) {
  return status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

// An absolute path from the environment; empty if it is unset or relative.
std::string FromEnvironment(const char* name) {
  const char* const value = ::getenv(name);
  return value != nullptr && value[0] == '/' ? value : "";
}

Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(fd, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      return FailAt(ErrorCode::kIo, "IO_WRITE",
                    fmt::format("cannot write: {}", std::strerror(errno)), path);
    }
    bytes.remove_prefix(static_cast<size_t>(size));
  }
  return {};
}

}  // namespace

Result<CacheDirectory> CacheDirectory::Open() {
  std::string base = FromEnvironment("XDG_CACHE_HOME");
  if (base.empty()) {
    const std::string home = FromEnvironment("HOME");
    if (home.empty()) return NoCache("neither XDG_CACHE_HOME nor HOME is an absolute path", "");
    base = home + "/.cache";
  }
  ::mkdir(base.c_str(), 0700);  // often there already; OpenAt reports if it is of no use
  return OpenAt(base + "/tinyai");
}

Result<CacheDirectory> CacheDirectory::OpenAt(const std::string& path) {
  CacheDirectory cache;
  cache.path_ = path;
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return NoCache(std::strerror(errno), path);
  }
  cache.directory_ =
      UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!cache.directory_) return NoCache(std::strerror(errno), path);
  struct stat status = {};
  if (::fstat(cache.directory_.get(), &status) != 0) return NoCache(std::strerror(errno), path);
  if (!OursAlone(status)) {
    return NoCache("the directory is not yours, or others may write to it (chmod 700)", path);
  }
  return cache;
}

std::optional<std::string> CacheDirectory::Read(const std::string& name) const {
  const UniqueFd fd(::openat(directory_.get(), name.c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status = {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return std::nullopt;
  if (!S_ISREG(status.st_mode) || !OursAlone(status)) return std::nullopt;
  if (status.st_size < 0 || static_cast<uint64_t>(status.st_size) > kMostBytes) return std::nullopt;
  std::string bytes(static_cast<size_t>(status.st_size), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t size = ::read(fd.get(), bytes.data() + done, bytes.size() - done);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return std::nullopt;
    done += static_cast<size_t>(size);
  }
  return bytes;
}

Status CacheDirectory::Write(const std::string& name, std::string_view bytes) const {
  const std::string temporary = fmt::format(".{}.{}.{}", name, ::getpid(), MonotonicNs());
  const std::string full = path_ + "/" + name;
  UniqueFd fd(::openat(directory_.get(), temporary.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) {
    return FailAt(ErrorCode::kIo, "IO_WRITE",
                  fmt::format("cannot create a file: {}", std::strerror(errno)), full);
  }
  Status status = WriteAll(fd.get(), bytes, full);
  if (status &&
      ::renameat(directory_.get(), temporary.c_str(), directory_.get(), name.c_str()) != 0) {
    status = FailAt(ErrorCode::kIo, "IO_WRITE",
                    fmt::format("cannot replace the file: {}", std::strerror(errno)), full);
  }
  if (!status) ::unlinkat(directory_.get(), temporary.c_str(), 0);
  return status;
}

}  // namespace tinyai
