#pragma once

#include <string>

#include "base/result.h"
#include "graph/graph.h"
#include "plan/plan.h"
#include "run/recorder.h"
#include "view/trace_writer.h"

namespace tinyai {

// Held for records while a model runs with --trace: about 130,000 steps.
inline constexpr uint64_t kTraceBytes = uint64_t{4} << 20;

// Writes when the last passes of a plan did what, as a trace with the lanes and names of the
// planned one (tinyai plan --emit trace). `title` says of what.
Status WriteMeasuredTrace(const Graph& graph, const Plan& plan, const Recorder& recorder,
                          const std::string& title, const TextSink& sink);
// The same to a file, which is replaced once the new one is whole. Errors: those of AtomicFile.
Status WriteMeasuredTrace(const Graph& graph, const Plan& plan, const Recorder& recorder,
                          const std::string& title, const std::string& path);

}  // namespace tinyai
