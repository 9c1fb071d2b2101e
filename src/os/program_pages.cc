#include "os/program_pages.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace tinyai {
namespace {

int AdviseObject(dl_phdr_info* object, size_t, void*) {
  const uintptr_t page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = object->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0) continue;
    const uintptr_t begin = (object->dlpi_addr + part.p_vaddr) & ~(page - 1);
    const uintptr_t end = object->dlpi_addr + part.p_vaddr + part.p_filesz;
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_RANDOM);
  }
  return 0;
}

}  // namespace

void ReadProgramByThePage() { ::dl_iterate_phdr(AdviseObject, nullptr); }

}  // namespace tinyai
