#pragma once

#include <set>
#include <string>

#include "lang/diagnostics.h"
#include "lang/program.h"

namespace tinyai {

struct ResolveOptions {
  // Loops whose iterations are placed one by one, by the name of their index or, for a `while`, of
  // what it carries first; "t[3]" is then the t of the iteration in which the index is 3.
  std::set<std::string> unrolled = {};
};

// Reads the source of `diagnostics` as a value program, or the `value` part of a file that holds
// both. All mistakes are reported, up to Diagnostics::kMostErrors; the result means something only
// if there are no errors. Linear in the length of the text, but for functions that become part of
// their callers.
Program ResolveProgram(Diagnostics& diagnostics, const ResolveOptions& options);

}  // namespace tinyai
