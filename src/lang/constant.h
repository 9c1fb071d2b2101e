#pragma once

#include <optional>
#include <string_view>

#include "lang/name_table.h"

namespace tinyai {

// The number of a literal, "4KiB" and "1e3" too; nothing if it has another unit or is too large.
std::optional<Constant> ParseConstant(std::string_view text);
// a op b, for + - * / %; whole numbers wrap around. Nothing for other operators, and by 0.
std::optional<Constant> ApplyOperator(std::string_view op, const Constant& a, const Constant& b);

}  // namespace tinyai
