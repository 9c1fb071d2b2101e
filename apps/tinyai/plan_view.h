#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/session_plan.h"
#include "plan/details.h"
#include "view/net_view.h"

namespace tinyai {

// What people count passes in.
struct PassWords {
  std::string_view one, many;
};
// "token" of texts, "pass" of a layer graph.
PassWords WordsOf(const SessionPlan& session);

// As a plan's text has it.
std::string_view NameOf(GraphChange::Kind kind);

// How a layer graph was changed so that it fits, a line each: what, and which layers. None of
// texts.
std::vector<std::pair<std::string, std::string>> DescribeChanges(const SessionPlan& session);

// What a session's plan looks like to people. `session` has details and outlives the view.
NetView ViewOf(const SessionPlan& session, std::string title);

// Where the time of one pass goes, how many syncs it has, what the arena takes: lines of two words.
// `session` has details.
std::vector<std::pair<std::string, std::string>> DescribePass(const SessionPlan& session);

// The reasons of the choices, then one line for each sync.
std::string Explain(const NetView& view);

// "3.21 ms": three significant digits.
std::string FormatSeconds(double seconds);

}  // namespace tinyai
