#pragma once

#include <string>

#include "base/result.h"
#include "engine/session.h"
#include "view/trace_writer.h"

namespace tinyai {

// Held for records while a model runs with --trace: about 130,000 steps.
inline constexpr uint64_t kTraceBytes = uint64_t{4} << 20;

// Ends the session's threads and writes when its last passes did what, as a trace with the lanes
// and names of the planned one (tinyai plan --emit trace). The session was opened with
// `trace_bytes`.
Status WriteMeasuredTrace(Session& session, const std::string& title, const TextSink& sink);

}  // namespace tinyai
