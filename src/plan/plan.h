#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "graph/graph.h"

namespace tinyai {

enum class BufferId : uint32_t {};
enum class FenceId : uint32_t {};

// A memory and its one allocation, the arena. Offsets count from the start of RAM's arena; those of
// a device's memory follow behind its end.
struct PlanMemory {
  std::string name;
  uint64_t arena_bytes = 0;

  bool operator==(const PlanMemory&) const = default;
};

enum class BufferKind : uint8_t {
  kResident,    // weights that stay
  kRing,        // a slot that streamed slices go through
  kCache,       // keys and values of one layer
  kActivation,  // one value of the graph
  kStaging,     // embedding rows of a chunk, as read from disk
  kWorkspace,   // scratch memory of one worker
};
std::string_view Name(BufferKind kind);

struct PlanBuffer {
  std::string name;
  BufferKind kind;
  uint64_t offset;
  uint64_t bytes;

  bool operator==(const PlanBuffer&) const = default;
};

// What a step does.
namespace step {

// Reads whole blocks of a file to `arena_offset`; all three are multiples of the plan's
// io_alignment. `once`: in the first pass only, for weights that stay.
struct Load {
  uint32_t part;
  uint64_t file_offset;
  uint64_t bytes;
  uint64_t arena_offset;
  bool once;

  bool operator==(const Load&) const = default;
};

// Reads the embedding rows of the chunk's tokens into the staging buffer, row i of the chunk at
// i * stride, each as the whole blocks that contain it.
struct LoadRows {
  WeightId table;
  BufferId staging;
  uint64_t stride;

  bool operator==(const LoadRows&) const = default;
};

// Computes rows [row_begin, row_end) of the result of a product, or all of any other op.
// `weights_offset`: where the matrix's row row_begin lies.
struct Run {
  OpId op;
  uint64_t row_begin = 0;
  uint64_t row_end = 0;
  uint64_t weights_offset = 0;

  bool operator==(const Run&) const = default;
};

// Copies the pass's rows of a value from RAM to the device's memory, or back.
struct Move {
  ValueId value;
  bool to_device = false;

  bool operator==(const Move&) const = default;
};

// Carries out a Spill op, which writes its operand to the scratch file from `scratch_offset`, a
// multiple of io_alignment, or a Fetch op, which reads its result from there: whole blocks.
struct Transfer {
  OpId op;
  uint64_t scratch_offset;

  bool operator==(const Transfer&) const = default;
};

}  // namespace step

// Before a step starts its queue waits for `fence`, as recorded `distance` passes ago (0: in this
// pass). A fence of a pass before the first counts as passed.
struct Sync {
  FenceId fence;
  uint32_t distance;

  bool operator==(const Sync&) const = default;
};

using StepWork = std::variant<step::Load, step::LoadRows, step::Run, step::Move, step::Transfer>;

struct Step {
  StepWork work;
  std::vector<Sync> syncs;
  // CPU only: every worker has finished all earlier steps of this queue before any starts this one.
  // Where it is false, a worker needs only what it computed itself.
  bool joins = false;
  // Left out of passes whose logits nobody wants. A step `once` is never left out.
  bool logits_only = false;

  bool operator==(const Step&) const = default;
};

// An in-order queue. Its timeline counts steps: after step i of pass p it stands at
// p * steps.size() + i + 1.
struct PlanQueue {
  std::string name;
  std::vector<Step> steps;

  bool operator==(const PlanQueue&) const = default;
};

// The point of a queue's timeline after one of its steps.
struct Fence {
  std::string name;
  uint32_t queue;
  uint32_t step;

  bool operator==(const Fence&) const = default;
};

// No plan has both of the last: text models have devices, layer graphs spill.
enum : uint32_t {
  kCpuQueue = 0,
  kDiskQueue = 1,
  kRowsQueue = 2,
  kDeviceQueue = 3,
  kSpillQueue = 3
};

// A device that computes some of the ops, one after the other, in a memory of its own. What these
// need lies there: caches of their layers, weights, and values, which may lie in RAM too.
struct PlanDevice {
  PlanMemory memory;
  std::vector<std::optional<BufferId>> value_buffers;   // by ValueId
  std::vector<std::optional<uint64_t>> weight_offsets;  // by WeightId: all of them stay
  BufferId workspace_buffer{};
  BufferId rope_buffer{};

  bool operator==(const PlanDevice&) const = default;
};

// How one pass over a chunk of up to `chunk` tokens is carried out, again and again. Immutable;
// made by CompilePlan, which hands out only what CheckPlan accepted.
struct Plan {
  uint32_t workers = 1;  // threads of the CPU queue
  uint64_t chunk = 1;
  uint64_t context = 0;
  DType key_type = DType::kF16;
  DType value_type = DType::kF16;
  uint64_t io_alignment = 4096;
  uint32_t io_depth = 2;  // requests of the DISK queue in flight

  PlanMemory memory;
  std::vector<PlanBuffer> buffers;
  // CPU, DISK, DISK.rows; and the device's, where there is one, or DISK.spill.
  std::vector<PlanQueue> queues;
  std::vector<Fence> fences;

  // By ValueId: in RAM, or in the device's memory if it lies there alone.
  std::vector<BufferId> value_buffers;
  std::vector<std::optional<uint64_t>>
      weight_offsets;                       // by WeightId: arena offset if resident whole
  std::vector<BufferId> cache_buffers;      // by layer
  std::vector<BufferId> workspace_buffers;  // by worker: attention scores
  BufferId rope_buffer{};                   // per row of the chunk: cos, sin of each pair
  std::optional<PlanDevice> device;

  uint64_t held_bytes = 0;           // by this object itself, at most
  uint64_t resident_bytes = 0;       // weights of the pass that stay
  uint64_t streamed_bytes = 0;       // weights read again in every pass
  uint64_t streamed_read_bytes = 0;  // the same with block rounding: what the disk delivers
  uint64_t once_read_bytes = 0;      // read in the first pass only
  uint64_t scratch_bytes = 0;        // of the scratch file

  const PlanBuffer& buffer(BufferId id) const { return buffers[Index(id)]; }
  // Where the arenas end, one behind the other; with those of devices.
  uint64_t end_offset() const {
    return memory.arena_bytes + (device ? device->memory.arena_bytes : 0);
  }
  bool spills() const { return !device && queues.size() > kSpillQueue; }
  bool on_device(uint64_t offset) const { return device && offset >= memory.arena_bytes; }

  bool operator==(const Plan&) const = default;
};

// What a Transfer of a plan moves: the value, and its bytes for a pass over so many rows, in whole
// blocks. Of a step that CheckPlan accepted.
ValueId TransferredValue(const Graph& graph, OpId op);
uint64_t TransferredBytes(const Graph& graph, const Plan& plan, OpId op, uint64_t rows);
// Bytes that a pass over whole chunks writes to the scratch file, and that it reads from there.
struct SpillTraffic {
  uint64_t written = 0, read = 0;
};
SpillTraffic TrafficOf(const Graph& graph, const Plan& plan);

// The cache of a layer: keys, then values, each [kv_head][position][head_dim].
uint64_t KeyCacheBytes(const AttentionShape& shape, DType type, uint64_t context);
uint64_t ValueCacheBytes(const AttentionShape& shape, DType type, uint64_t context);

}  // namespace tinyai
