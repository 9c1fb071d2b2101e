#pragma once

#include <string>

#include "lang/expr_tree.h"
#include "lang/schedule.h"

namespace tinyai {

// The schedule as canonical text: one command a line, indented by two spaces. Reading it gives a
// schedule that compares equal, and so the same text again. Inner comments are not written.
//
// Needs of a schedule that was not read from a text: names of fences, places and loops have the
// form of names, and trees are no deeper than kMostDepth.
std::string PrintSchedule(const Schedule& schedule);

std::string PrintExpr(const Expr& expr);
std::string PrintExpr(const ExprTree& expr);
std::string PrintRef(const Ref& ref);

}  // namespace tinyai
