#include "os/heap.h"

#include <cstdlib>  // tells which C library this is
#include <limits>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace tinyai {

void ReturnFreedMemory() {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
}

void KeepFreedMemory() {
#if defined(__GLIBC__)
  constexpr int kNever = std::numeric_limits<int>::max();
  ::mallopt(M_MMAP_THRESHOLD, kNever);
  ::mallopt(M_TRIM_THRESHOLD, kNever);
  ::mallopt(M_TOP_PAD, 64 << 20);  // addresses, not memory: a page is taken when it is written
#endif
}

}  // namespace tinyai
