#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "device/lower_eval.h"

namespace tinyai {

// How numbers are held while they are computed with: f16 and bf16 as floats that were rounded.
enum class Lane : uint8_t { kBool, kI32, kI64, kFloat, kDouble };
Lane LaneOf(Scalar scalar);
uint32_t LaneBytes(Lane lane);

// The nodes of a stage, ready to be computed a tile at a time: each node is done for a whole tile
// before the next one, so that loops are simple enough for vector instructions and what is between
// them stays in the first cache. Made once for a stage; `stage` outlives it. One thread at a time.
class TiledStage {
 public:
  static constexpr uint64_t kTile = 512;
  explicit TiledStage(const Stage& stage);

  // Starts with the stage's slots at `slots`. Computes what is not wide.
  void Begin(std::span<const std::byte* const> slots, bool& trapped);
  // The last node for elements [first, first + count), count <= kTile, in its lane; valid until the
  // next call.
  const std::byte* Compute(uint64_t first, uint64_t count, bool& trapped);

  Lane lane() const { return lanes_.back(); }

 private:
  void ComputeNode(size_t i, uint64_t first, uint64_t count, bool& trapped);
  void Gather(size_t i, uint64_t first, uint64_t count);

  const Stage& stage_;
  std::vector<Lane> lanes_;        // by node
  std::vector<size_t> registers_;  // by node: offset into memory_
  std::vector<std::byte> memory_;
  std::vector<const std::byte*> slots_;
};

// From how a tensor lies in memory to a lane, and back with rounding. Both of `count` elements,
// beginning with element `first` of `tensor`.
void LoadLane(Scalar scalar, const std::byte* tensor, uint64_t first, uint64_t count,
              std::byte* lane);
void StoreLane(Scalar scalar, const std::byte* lane, uint64_t count, std::byte* tensor,
               uint64_t first);

}  // namespace tinyai
