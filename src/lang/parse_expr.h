#pragma once

#include <optional>

#include "lang/expr_tree.h"
#include "lang/schedule.h"
#include "lang/token_stream.h"

namespace tinyai {

// An expression of the grammar in docs/schedule.md, by precedence climbing. Nothing, and reported,
// where there is none.
std::optional<Expr> ParseExpr(TokenStream& in);
// The same, in in.arena(). False where there is none.
bool ParseExprTree(TokenStream& in, ExprTree& out);

}  // namespace tinyai
