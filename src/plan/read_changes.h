#pragma once

#include "graph/bands.h"
#include "lang/schedule.h"
#include "plan/plan_attributes.h"

namespace tinyai {

// A record of kChangeRecord. What is wrong with it goes to the diagnostics of `attributes`.
GraphChange ReadChange(const decl::Record& record, PlanAttributes& attributes);

}  // namespace tinyai
