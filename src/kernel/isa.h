#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tinyai {

// Names of the instruction sets compiled in that this CPU has, best first ("avx512_vnni", "avx2",
// "sse4", ...).
std::vector<std::string> SupportedIsas();
std::string ActiveIsa();
// Restricts dispatch to one of them (for TINYAI_ISA and tests). Error ISA_UNSUPPORTED (exit 6).
Status UseIsa(std::string_view name);

}  // namespace tinyai
