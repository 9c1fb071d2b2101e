#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"
#include "plan/plan.h"
#include "plan/reasons.h"
#include "plan/request.h"

namespace tinyai {

// Some rows of a weight that stay or are streamed together.
struct Slice {
  OpId op;  // the first op that needs it
  WeightId weight;
  uint64_t row_begin = 0;
  uint64_t row_end = 0;
  uint64_t bytes = 0;
  uint32_t part = 0;
  uint64_t file_begin = 0;
  bool can_stream = true;  // vectors stay: they are small and a request costs more than their bytes
  ModelWishes::Stay stay = ModelWishes::Stay::kChosen;  // what the wishes say of it
  bool resident = true;
  uint64_t arena_offset = 0;  // of its first byte, if resident

  uint64_t file_end() const { return file_begin + bytes; }
};

// The sizes a plan is made of, before residency is decided.
struct Sizes {
  uint64_t chunk = 1;
  uint64_t slice_bytes = 0;  // at most, but at least one row
  uint32_t ring_slots = 0;
};

// A plan under construction; each pass fills in what its header says.
struct PlanDraft {
  const Graph& graph;
  const PlanRequest& request;
  Sizes sizes;
  std::vector<OpId> order;    // of the ops
  std::vector<Slice> slices;  // in the order of use
  // By place in the order, behind which is nothing: weights that are loaded before what the op
  // there is the first to need.
  std::vector<std::vector<WeightId>> ahead;
  uint64_t ahead_slots = 0;  // of the ring, for slices that wait there for their op
  bool embedding_resident = false;
  uint64_t embedding_offset = 0;
  // Blocks of files that stay, one after the other in the arena from its start.
  struct ResidentRun {
    uint32_t part;
    uint64_t file_begin, file_end, arena_offset;
  };
  std::vector<ResidentRun> runs;
  // What the device computes with: all of it stays, from the start of the device's arena.
  std::vector<Slice> device_slices;
  std::vector<ResidentRun> device_runs;
  uint64_t device_weight_bytes = 0;
  uint64_t slot_bytes = 0;
  Plan plan;
  Reasons reasons;

  // Slots of the ring; none where nothing is streamed.
  uint64_t ring_slots() const { return sizes.ring_slots == 0 ? 0 : sizes.ring_slots + ahead_slots; }
};

// --- the passes, in order; each in the file of its name ---

// In which order the ops of a graph run, so that activations of chunks of this many tokens take the
// least memory at once: the graph's own order where none better was found within the request's
// limits.
struct OpOrder {
  std::vector<OpId> ops;
  uint64_t peak_bytes = 0;
  uint64_t lower_bound_bytes = 0;  // no order needs less
};
// Wishes come before memory; they have no cycle. With `whole_layers` they do not count.
OpOrder OrderOps(const Graph& graph, const PlanRequest& request, uint64_t chunk);

// Cuts every matrix into slices of whole rows, none of which the wishes treat differently. From
// here on `slices` only changes in residency. What the device needs is not cut: it is laid out
// here.
void SliceWeights(PlanDraft& draft);

// Sets `ahead` as the wishes have it, and the slots that this takes where slices are streamed.
void ReadAhead(PlanDraft& draft);

// Bytes of a ring slot that any streamed slice fits into, blocks included.
uint64_t SlotBytes(const PlanDraft& draft);

// Decides which slices stay, in `resident_budget_bytes` of arena: as many bytes as fit, the
// streamed ones spread evenly over the pass so that the disk never waits for the computation. What
// the wishes pin stays, what they evict does not. Lays
// out `runs` from arena offset 0 and returns the bytes they take. What cannot be streamed stays
// even beyond the budget.
uint64_t ChooseResident(PlanDraft& draft, uint64_t resident_budget_bytes);
// Packs the blocks of the slices that are resident, in file order, so that neighbours in the file
// are neighbours in memory and share their blocks. Returns the bytes they take, from 0.
uint64_t LayOut(std::vector<Slice>& slices, uint64_t block,
                std::vector<PlanDraft::ResidentRun>& runs);
// The same for these slices, whatever else: by slice, whether it stays.
uint64_t KeepSlices(PlanDraft& draft, const std::vector<bool>& stays);
// What it would take for every slice to stay, and an embedding of its own if that is pinned.
uint64_t ResidentBytesOfAll(PlanDraft& draft);

// Sets `joins` of the CPU steps: where a worker needs what another computed.
void DeriveJoins(const Graph& graph, Plan& plan);

// Sets more of them, so that no op starts before another has ended where the wishes say so.
void AddAskedJoins(const ModelWishes& wishes, Plan& plan);

}  // namespace tinyai
