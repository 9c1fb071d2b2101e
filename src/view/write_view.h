#pragma once

#include <string>

#include "base/result.h"
#include "view/net_view.h"
#include "view/trace_writer.h"

// A planned net in the forms that programs and people read; each in the file of its name.
namespace tinyai {

// Everything, as one JSON object: docs/plan.md, "As data".
Status WriteJson(const NetView& view, const TextSink& sink);

// One iteration as a trace: a lane for each place, a span for each command, arrows for syncs, the
// memory by kind as a counter.
Status WriteTrace(const NetView& view, const TextSink& sink);

// The net as a Graphviz graph: a cluster for each place, an edge for each value read, a dashed one
// for each sync.
Status WriteDot(const NetView& view, const TextSink& sink);

// One page that needs nothing else: timeline, memory, arena and reasons.
Status WritePage(const NetView& view, const TextSink& sink);

}  // namespace tinyai
