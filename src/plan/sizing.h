#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/result.h"
#include "plan/draft.h"
#include "plan/reasons.h"
#include "plan/request.h"

namespace tinyai {

// Bytes that are held besides the arena whatever the plan.
uint64_t FixedBytes(const PlanRequest& request);
// What the system adds to map an arena: page tables.
uint64_t MappingBytes(const PlanRequest& request, uint64_t arena_bytes);
// Room for arena and plan in `bytes`, beside the page tables; and the least bytes with so much
// room.
uint64_t RoomWithin(const PlanRequest& request, uint64_t bytes);
uint64_t BytesForRoom(const PlanRequest& request, uint64_t room);

// Sizes are computed in 64 bits without checks once this has passed: everything a plan may hold is
// below 2^60. Error BUDGET_INFEASIBLE.
Status CheckSizes(const Graph& graph, const PlanRequest& request);

// More than any memory has, and small enough to be added to.
inline constexpr uint64_t kTooMuch = uint64_t{1} << 61;

// How large chunk, slices and ring are to be. Remembers what it has measured, since each try at a
// size asks for the same packings again. `graph` and `request` outlive it.
class Sizing {
 public:
  Sizing(const Graph& graph, const PlanRequest& request) : graph_(graph), request_(request) {}

  // With order, slices and the plan's head; what stays is still open.
  PlanDraft NewDraft(const Sizes& sizes);

  // Bytes of everything but resident weights: the other buffers, the plan itself, and all of the
  // device's memory, which is a thread's. More than there is where the latter does not fit.
  uint64_t BufferBytes(const Sizes& sizes);
  // Of the device's memory, with the smallest chunk.
  uint64_t LeastDeviceBytes() { return PackedBytes(LeastChunk()).device_bytes; }

  // The sizes that need the least memory, and their bytes.
  struct Least {
    Sizes sizes;
    uint64_t buffers = 0, resident = 0;
    uint64_t room() const { return buffers + resident; }  // for arena and plan
  };
  Least FindLeast(uint64_t chunk);
  uint64_t LeastChunk() const { return Chunks().back(); }

  // What makes the most of so much room, which is at least the least.
  Sizes Choose(const Least& least, uint64_t room, Reasons& reasons);

  // Everything resident: the largest chunk in which prompts reach their full speed, down to
  // `least_chunk`, that leaves room for that; chunk 0 if none does.
  Sizes AllResident(uint64_t room, uint64_t least_chunk);
  // Room that everything resident takes with this chunk.
  uint64_t RoomForAll(uint64_t chunk);
  // The largest chunk, down to 1, with which prompts reach their full speed and the least ring
  // fits.
  uint64_t FullSpeedChunk(uint64_t room);
  // The largest chunk at all with which the least ring fits; 0 if none does.
  uint64_t LargestChunk(uint64_t room);

 private:
  // What depends on the size of slices alone.
  struct Sliced {
    uint64_t slot_bytes = 0, ahead_slots = 0, plan_bytes = 0, least_resident = 0, all_resident = 0;
    bool has_embedding = false;  // a product uses the table that rows are taken from
  };
  // Neither wishes nor a limit are against it.
  bool MayAllStay();
  Sizes ChooseRing(const Least& least, uint64_t room, uint64_t share);
  const Sliced& SlicedBy(uint64_t slice_bytes);
  struct Packed {
    uint64_t ram_bytes = 0;     // of activations, caches and scratch memory
    uint64_t device_bytes = 0;  // of all that lies there
  };
  const Packed& PackedBytes(uint64_t chunk);
  const std::vector<OpId>& OrderFor(uint64_t chunk);
  uint64_t TokensPerStreamedPass(uint64_t room) const;
  std::vector<uint64_t> Chunks() const;

  const Graph& graph_;
  const PlanRequest& request_;
  std::map<uint64_t, Sliced> sliced_;
  std::map<uint64_t, Packed> packed_;
  std::map<uint64_t, std::vector<OpId>> orders_;
};

}  // namespace tinyai
