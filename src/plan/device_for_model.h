#pragma once

#include <optional>

#include "lang/devices.h"
#include "lang/diagnostics.h"
#include "plan/request.h"

namespace tinyai {

// The device beside the CPU that a model's ops can be put on: the one that threads stand for, with
// a memory of its own and links there and back. Nothing if there is none: ops have no kernels for
// real ones yet. Mistakes go to `out`, the source of the device file; errors: SCHEDULE_IMPOSSIBLE
// (I9) for what a model has no use for.
Result<std::optional<RequestDevice>> DeviceForModel(const Devices& devices, Diagnostics& out);

// Reports costs of the device, in the source of `out`, that are negative or no finite number for
// the ops of a model: I15. Error: COST_MODEL.
Status CheckDeviceCosts(const Graph& graph, const RequestDevice& device, Diagnostics& out);

}  // namespace tinyai
