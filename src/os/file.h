#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/byte_source.h"
#include "base/result.h"
#include "os/system_calls.h"
#include "os/unique_fd.h"

namespace tinyai {

// What tells one state of a file from another: if any field differs, the file was replaced,
// truncated, appended to or rewritten.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t modified_ns = 0;
  bool operator==(const FileIdentity&) const = default;
};

// A regular file open for reading, or a part of one. Opening never blocks (FIFOs and devices are
// refused: OPEN, exit 5). ReadAt goes through the page cache and gives the cached pages back
// (drop-behind), so that what it reads does not stay charged to this process's cgroup. Thread-safe.
class File : public ByteSource {
 public:
  // `system` is for tests; it outlives the file.
  static Result<std::unique_ptr<File>> Open(const std::string& path,
                                            SystemCalls& system = SystemCalls::Real());
  // The `size` bytes from `begin` of the file, seen as a file of its own; `label` is its path in
  // messages. `begin` must be a multiple of 4096. Error OPEN also if the file ends before that.
  static Result<std::unique_ptr<File>> OpenPart(const std::string& path, uint64_t begin,
                                                uint64_t size, std::string label,
                                                SystemCalls& system = SystemCalls::Real());

  // A file that is only in memory, with these bytes. Errors OUT_OF_MEMORY, IO_WRITE.
  static Result<std::unique_ptr<File>> InMemory(std::string label,
                                                std::span<const std::byte> bytes);

  const std::string& path() const override { return label_; }
  uint64_t size() const override { return size_; }
  // Errors IO_READ (after one retry of EIO; EINTR and EAGAIN are retried 1,000 times, short reads
  // continued; also a range past the end) and MODEL_CHANGED (end of file before
  // `offset + out.size()`, though Open saw more).
  Status ReadAt(uint64_t offset, std::span<std::byte> out) const override;
  // The same, but the pages stay in the page cache.
  Status ReadKept(uint64_t offset, std::span<std::byte> out) const;

  // MODEL_CHANGED if the file is no longer the one that was opened: the open file itself was
  // changed, or its path now names another one.
  Status CheckUnchanged() const;

  uint64_t begin() const { return begin_; }  // where this part starts in the file on disk
  const std::string& disk_path() const { return disk_path_; }  // empty: only in memory
  const FileIdentity& identity() const { return identity_; }
  int descriptor() const { return fd_.get(); }

 private:
  File(SystemCalls& system, std::string disk_path, std::string label)
      : system_(system), disk_path_(std::move(disk_path)), label_(std::move(label)) {}
  Status OpenDescriptor();

  SystemCalls& system_;
  UniqueFd fd_;
  std::string disk_path_, label_;
  uint64_t begin_ = 0;
  uint64_t size_ = 0;
  FileIdentity identity_;
};

// The identity of an open file; nothing if it is not a regular file (or cannot be asked).
std::optional<FileIdentity> IdentityOf(int fd);
// MODEL_CHANGED, in file `label`, if the file open as `fd` no longer has that identity, or if
// `disk_path` names another file by now. A file that was deleted is still good.
Status CheckIdentity(int fd, const FileIdentity& identity, const std::string& disk_path,
                     const std::string& label);

// Gives back the cached pages of these bytes, and of the pages they share with their neighbours.
void DropCached(int fd, uint64_t offset, uint64_t size);

}  // namespace tinyai
