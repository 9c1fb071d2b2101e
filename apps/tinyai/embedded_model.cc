#include "embedded_model.h"

#include <elf.h>
#include <link.h>

#include <cstdint>
#include <optional>

// From embedded_model.S.
extern "C" const unsigned char tinyai_embedded_model_begin[];
extern "C" const unsigned char tinyai_embedded_model_end[];

namespace tinyai {
namespace {

struct Search {
  uintptr_t address;
  std::optional<uint64_t> file_offset;
};

// Looks among the segments of one loaded object, the program itself being the first.
int FindInObject(dl_phdr_info* info, size_t, void* data) {
  Search& search = *static_cast<Search*>(data);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type != PT_LOAD || search.address < begin) continue;
    if (search.address - begin >= segment.p_filesz) continue;
    search.file_offset = segment.p_offset + (search.address - begin);
  }
  return 1;  // the other objects do not matter
}

}  // namespace

Result<std::unique_ptr<File>> OpenEmbeddedModel() {
  const auto begin = reinterpret_cast<uintptr_t>(tinyai_embedded_model_begin);
  const auto end = reinterpret_cast<uintptr_t>(tinyai_embedded_model_end);
  Search search{begin, std::nullopt};
  ::dl_iterate_phdr(FindInObject, &search);
  if (!search.file_offset) {
    return Fail(ErrorCode::kOther, "EMBEDDED_MODEL", "this program has lost the model inside it");
  }
  return File::OpenPart("/proc/self/exe", *search.file_offset, end - begin, "embedded model");
}

}  // namespace tinyai
