#pragma once

#include <vector>

#include "lang/schedule.h"
#include "lang/token_stream.h"

namespace tinyai {

// The commands up to a closing brace, which is left. Mistakes are reported, and reading goes on
// behind each.
std::vector<Command> ParseCommands(TokenStream& in);

// '{' commands '}' of what began at `begin`.
bool ParseBraces(TokenStream& in, Span begin, std::vector<Command>& out);

}  // namespace tinyai
