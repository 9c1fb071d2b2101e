#pragma once

#include "plan/draft.h"
#include "plan/model_net.h"

namespace tinyai {

inline constexpr MemoryId kRam{0}, kDeviceMemory{1};

NetValueId AddNetValue(NetValue value, TaskNet& net);

// What a model's net has before its first op: memories and places, the device with its memory if
// something is put there; what lives from pass to pass; scratch memory that several ops have
// together; and the graph's values, each in the memory of its maker.
void SetUpModelNet(const PlanDraft& draft, uint64_t resident_bytes, ModelNet& out);

}  // namespace tinyai
