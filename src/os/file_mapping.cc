#include "os/file_mapping.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "fmt/format.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22  // Linux 5.14
#endif

namespace tinyai {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kPieceBytes = uint64_t{256} << 10;

struct Pages {
  uint64_t begin, size;
};

Pages PagesOf(uint64_t offset, uint64_t size) {
  const uint64_t begin = RoundDown(offset, kPage);
  return {begin, RoundUp(offset + size, kPage) - begin};
}

}  // namespace

Result<FileMapping> FileMapping::Map(const File& file) {
  FileMapping mapping;
  mapping.file_ = &file;
  mapping.size_ = file.size();
  if (mapping.size_ == 0) return mapping;
  void* const data = ::mmap(nullptr, mapping.size_, PROT_READ, MAP_SHARED | MAP_NORESERVE,
                            file.descriptor(), static_cast<off_t>(file.begin()));
  if (data == MAP_FAILED) {
    return FailAt(ErrorCode::kOutOfMemory, "OUT_OF_MEMORY",
                  fmt::format("cannot map its {} bytes: {}", mapping.size_, std::strerror(errno)),
                  file.path());
  }
  mapping.data_ = static_cast<std::byte*>(data);
  // The kernel reads ahead on faults otherwise, into memory that nobody counts.
  ::madvise(data, mapping.size_, MADV_RANDOM);
  return mapping;
}

FileMapping& FileMapping::operator=(FileMapping&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

FileMapping::~FileMapping() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Status FileMapping::Read(uint64_t offset, uint64_t size, const Visit& visit, bool keep) const {
  std::vector<std::byte> piece(std::min(size, kPieceBytes));
  for (uint64_t done = 0; done < size; done += piece.size()) {
    piece.resize(std::min(size - done, kPieceBytes));
    TRY(file_->ReadKept(offset + done, piece));
    if (!keep) Drop(offset + done, piece.size());
    if (visit) TRY(visit(piece));
  }
  return {};
}

Status FileMapping::Load(uint64_t offset, uint64_t size, const Visit& visit) const {
  if (size == 0) return {};
  if (Status read = Read(offset, size, visit, true); !read) {
    Drop(offset, size);
    return read;
  }
  const Pages pages = PagesOf(offset, size);
  while (::madvise(data_ + pages.begin, pages.size, MADV_POPULATE_READ) != 0) {
    if (errno == EINTR || errno == EAGAIN) continue;
    if (errno == EINVAL) return {};  // an older kernel: they are in the page cache, and come on use
    const int error_number = errno;
    Drop(offset, size);
    if (error_number == ENOMEM) {
      return Fail(ErrorCode::kOutOfMemory, "OUT_OF_MEMORY",
                  fmt::format("the system has no memory for {} bytes of weights", size));
    }
    return FailAt(ErrorCode::kIo, error_number == EFAULT ? "MODEL_CHANGED" : "IO_READ",
                  fmt::format("cannot map {} bytes: {}", size, std::strerror(error_number)),
                  file_->path(), offset);
  }
  return {};
}

Status FileMapping::Look(uint64_t offset, uint64_t size, const Visit& visit) const {
  return Read(offset, size, visit, false);
}

void FileMapping::Advise(uint64_t offset, uint64_t size) const {
  ::posix_fadvise(file_->descriptor(), static_cast<off_t>(file_->begin() + offset),
                  static_cast<off_t>(size), POSIX_FADV_WILLNEED);
}

void FileMapping::Drop(uint64_t offset, uint64_t size) const {
  if (size == 0) return;
  const Pages pages = PagesOf(offset, size);
  ::madvise(data_ + pages.begin, pages.size, MADV_DONTNEED);
  DropCached(file_->descriptor(), file_->begin() + offset, size);
}

}  // namespace tinyai
