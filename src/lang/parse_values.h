#pragma once

#include <optional>

#include "lang/token_stream.h"
#include "lang/value_file.h"

namespace tinyai {

// Reads one statement or declaration of a value program, declarations only where `top`. Nothing,
// and reported, where there is none; then reading goes on behind it.
std::optional<ValueStatement> ParseValueStatement(TokenStream& in, bool top);

}  // namespace tinyai
