#pragma once

#include <string>

#include "engine/session_plan.h"
#include "plan/details.h"
#include "view/net_view.h"

namespace tinyai {

// What a session's plan looks like to people. `session` has details and outlives the view.
NetView ViewOf(const SessionPlan& session, std::string title);

// Where the time of one pass goes, how many syncs it has, what the arena takes: lines of two words.
std::vector<std::pair<std::string, std::string>> DescribePass(const PlanDetails& details);

// The reasons of the choices, then one line for each sync.
std::string Explain(const NetView& view);

// "3.21 ms": three significant digits.
std::string FormatSeconds(double seconds);

}  // namespace tinyai
