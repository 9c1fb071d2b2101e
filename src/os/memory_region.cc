#include "os/memory_region.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/checked.h"
#include "base/units.h"
#include "fmt/format.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace tinyai {
namespace {

constexpr uint64_t kHugePage = 2 * kMiB;

uint64_t PageSize() {
  static const uint64_t size = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

tl::unexpected<Error> Refused(uint64_t bytes, std::string_view what, int error_number) {
  return Fail(ErrorCode::kOutOfMemory, "OUT_OF_MEMORY",
              fmt::format("the system refused {} ({} bytes) for {}: {}; use a smaller --memory or "
                          "raise the limit (ulimit -v, vm.overcommit_memory)",
                          FormatByteSize(bytes), bytes, what, std::strerror(error_number)));
}

// `bytes` of address space from the next multiple of `alignment`, not accessible yet; null if the
// system has none.
std::byte* Reserve(uint64_t bytes, uint64_t alignment) {
  const uint64_t slack = alignment - PageSize();
  if (bytes > ~uint64_t{0} - slack) return nullptr;
  void* const mapping =
      ::mmap(nullptr, bytes + slack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  const uint64_t address = reinterpret_cast<uintptr_t>(mapping);
  const uint64_t head = RoundUp(address, alignment) - address;
  std::byte* const data = static_cast<std::byte*>(mapping) + head;
  if (head != 0) ::munmap(mapping, head);
  if (slack != head) ::munmap(data + bytes, slack - head);
  return data;
}

// Advice only: where huge pages are off, small ones serve.
void AdviseHugePages(std::byte* data, uint64_t bytes) {
  const uint64_t whole = RoundDown(bytes, kHugePage);
  if (reinterpret_cast<uintptr_t>(data) % kHugePage != 0) return;
  if (whole != 0) ::madvise(data, whole, MADV_HUGEPAGE);
  if (whole != bytes) ::madvise(data + whole, bytes - whole, MADV_NOHUGEPAGE);
}

}  // namespace

Result<MemoryRegion> MemoryRegion::Allocate(Budget& budget, uint64_t bytes, std::string_view what) {
  MemoryRegion region;
  if (bytes == 0) return region;
  const std::optional<uint64_t> size = CheckedRoundUp(bytes, PageSize());
  if (!size) return Refused(bytes, what, ENOMEM);
  TRY_ASSIGN(region.charge_, Charge::Take(budget, *size, what));
  std::byte* data = *size >= kHugePage ? Reserve(*size, kHugePage) : nullptr;
  if (data == nullptr) data = Reserve(*size, PageSize());
  if (data == nullptr) return Refused(*size, what, errno);
  region.data_ = data;
  region.size_ = *size;
  // From here on strict overcommit counts it.
  if (::mprotect(data, *size, PROT_READ | PROT_WRITE) != 0) return Refused(*size, what, errno);
  AdviseHugePages(data, *size);
  return region;
}

MemoryRegion& MemoryRegion::operator=(MemoryRegion&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(charge_, other.charge_);
  return *this;
}

MemoryRegion::~MemoryRegion() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Status MemoryRegion::Populate(uint64_t offset, uint64_t bytes) {
  if (bytes == 0) return {};
  if (::madvise(data_ + offset, bytes, MADV_POPULATE_WRITE) == 0) return {};
  if (errno == ENOMEM || errno == EFAULT) return Refused(bytes, "first touch", errno);
  for (uint64_t i = 0; i < bytes; i += PageSize()) {  // a kernel older than 5.14
    volatile std::byte* const page = data_ + offset + i;
    *page = *page;
  }
  return {};
}

void MemoryRegion::Discard(uint64_t offset, uint64_t bytes) {
  if (bytes != 0) ::madvise(data_ + offset, bytes, MADV_DONTNEED);
}

void MemoryRegion::DiscardInside(uint64_t offset, uint64_t bytes) {
  const uint64_t begin = RoundUp(offset, PageSize());
  const uint64_t end = RoundDown(offset + bytes, PageSize());
  if (begin < end) Discard(begin, end - begin);
}

void MemoryRegion::Shrink(uint64_t bytes) {
  const uint64_t kept = RoundUp(std::min(bytes, size_), PageSize());
  if (kept >= size_ || kept == 0) return;
  ::munmap(data_ + kept, size_ - kept);
  size_ = kept;
  charge_.Lower(kept);
}

void MemoryRegion::Leak() {
  data_ = nullptr;
  size_ = 0;
  charge_.Keep();
}

}  // namespace tinyai
