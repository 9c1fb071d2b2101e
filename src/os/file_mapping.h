#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"
#include "os/file.h"

namespace tinyai {

// A file seen as read-only memory. It takes address space only; what is read through it stays in
// memory until Drop, which changes neither addresses nor contents.
class FileMapping {
 public:
  FileMapping() = default;
  // `file` outlives it. Error OUT_OF_MEMORY (the system has no addresses left).
  static Result<FileMapping> Map(const File& file);
  FileMapping(FileMapping&& other) noexcept { *this = std::move(other); }
  FileMapping& operator=(FileMapping&& other) noexcept;
  ~FileMapping();

  const std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }

  // Bytes of `file`, piece by piece, in order.
  using Visit = std::function<Status(std::span<const std::byte>)>;
  // Reads these bytes into memory, so that looking at them cannot fail any more as long as nobody
  // shortens the file. `visit`, if there is one, sees them on the way. Thread-safe. Errors of
  // File::ReadAt and of `visit`; the memory is given back then.
  Status Load(uint64_t offset, uint64_t size, const Visit& visit) const;
  // The same without keeping them in memory.
  Status Look(uint64_t offset, uint64_t size, const Visit& visit) const;
  // Asks the system to read them some time soon.
  void Advise(uint64_t offset, uint64_t size) const;
  // Gives back the memory of all whole pages in the range, and of those at its ends. Thread-safe.
  void Drop(uint64_t offset, uint64_t size) const;

 private:
  Status Read(uint64_t offset, uint64_t size, const Visit& visit, bool keep) const;

  const File* file_ = nullptr;
  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace tinyai
