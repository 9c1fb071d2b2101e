#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tinyai {

// CPU numbers, ascending, of a list such as "0,2-5" or a hexadecimal mask such as "0x3C". Error
// BAD_CPU_MASK (usage) for anything else, an empty set, and numbers from 65,536 on.
Result<std::vector<uint32_t>> ParseCpuMask(std::string_view text);

// The CPUs for `threads` compute threads, one each: those of `mask` (empty: all) that this process
// may use, one per core first, then the cores' other hardware threads; fewer than `threads` if
// there are no more. Error BAD_CPU_MASK if none of `mask` may be used.
Result<std::vector<uint32_t>> ChooseCpus(const std::vector<uint32_t>& mask, uint32_t threads);

}  // namespace tinyai
