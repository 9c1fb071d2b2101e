#pragma once

#include "lang/token_stream.h"
#include "lang/value_file.h"

namespace tinyai {

// Reads one statement or declaration of a value program, declarations only where `top`. Its
// expressions lie in in.arena(). False, and reported, where there is none; then reading goes on
// behind it.
bool ParseValueStatement(TokenStream& in, bool top, ValueStatement& out);

}  // namespace tinyai
