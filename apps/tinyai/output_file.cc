#include "output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fmt/format.h"
#include "os/signals.h"

namespace tinyai {

Result<OutputFile> OutputFile::Open(const std::string& path, std::span<const File* const> inputs) {
  OutputFile out;
  out.path_ = path;
  struct stat present;
  const bool there = ::stat(path.c_str(), &present) == 0;
  if (there && !S_ISREG(present.st_mode) && !S_ISDIR(present.st_mode)) {
    // Without O_NONBLOCK, opening a pipe that nobody reads would wait for ever.
    out.fd_ = UniqueFd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
    if (!out.fd_) return out.Failed();
    ::fcntl(out.fd_.get(), F_SETFL, 0);
    return out;
  }
  TRY_ASSIGN(out.file_, AtomicFile::Create(path, {.replace = true, .inputs = inputs}));
  return out;
}

Status OutputFile::Write(std::string_view text) {
  if (!file_) return WriteDirectly(text);
  TRY(file_->WriteAt(written_, std::as_bytes(std::span(text))));
  written_ += text.size();
  return {};
}

Status OutputFile::WriteDirectly(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd_.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR && StopSignal() != 0) {
      return Fail(ErrorCode::kCancelled, "CANCELLED", "stopped by a signal");
    }
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed();
    text.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Status OutputFile::Commit() {
  if (file_) return file_->Commit();
  return {};
}

tl::unexpected<Error> OutputFile::Failed() const {
  return FailAt(ErrorCode::kIo, "IO_WRITE",
                fmt::format("cannot write the file: {}", std::strerror(errno)), path_);
}

}  // namespace tinyai
