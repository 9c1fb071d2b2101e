#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lang/devices.h"
#include "lang/program.h"

namespace tinyai {

// How an eval is computed on any place: stages, one after the other, each over whole tensors.
// Expressions whose elements depend on elements of the same number, of another row or a shifted one
// are one stage, so nothing is written in between; what needs all of an operand (a product, a sum)
// starts a new one. On the CPU a stage is a loop, on a GPU a kernel.

// Where a tensor lies: among the eval's `ins` or `outs`, or in its scratch memory.
struct Slot {
  enum class Kind : uint8_t { kIn, kOut, kScratch };
  Kind kind = Kind::kIn;
  uint32_t index = 0;   // kIn, kOut
  uint64_t offset = 0;  // kScratch: bytes, a multiple of kScratchAlignment
  ProgramType type;
};
inline constexpr uint64_t kScratchAlignment = 256;

// One step of an element's computation. Nodes that are not `wide` are computed once for the stage.
// Element i of a wide kOperand is element i of its slot; kElement, kRows, kShift and kTranspose
// take theirs from elsewhere in it.
struct StageNode {
  ExprNode::Kind kind = ExprNode::Kind::kConstant;
  Scalar scalar = Scalar::kI32;
  bool wide = false;
  std::vector<uint32_t> args = {};  // earlier nodes: operands, or the index, begin or steps
  uint32_t slot = 0;                // into the stage's slots
  Dimensions shape = {};            // of the slot's tensor as the node sees it
  int64_t integer = 0;
  double number = 0;
};

struct Stage {
  enum class Kind : uint8_t {
    kMap,        // out[first + i] = the last node, for each i < count
    kReduce,     // out[0] = `reduction` of the last node over all i < count
    kHistogram,  // out[b] = how many i < count have the last node in [b, b + 1)
    kMatmul,     // out = slots[0] x slots[1], [m, k] x [k, n]
    kDecode,     // out = numbers of slots[0], which is quantised
    kInput,      // out = the next value of the input
    kCall,       // outs = function `index` of slots
    kExtern,     // out = extern `index` of slots
  };
  Kind kind = Kind::kMap;
  std::vector<Slot> slots;
  std::vector<StageNode> nodes;
  Slot out;
  std::vector<Slot> outs;  // kCall
  uint64_t first = 0, count = 1;
  ExprNode::Kind reduction = ExprNode::Kind::kSum;
  uint64_t m = 1, k = 1, n = 1;
  uint32_t index = 0;
};

struct LoweredEval {
  std::vector<Stage> stages;
  uint64_t scratch_bytes = 0;
};

// Of an eval that computes or gives out (kCompute, kOutput, whose result is outs[0]), for a place
// that can do it.
LoweredEval LowerEval(const Program& program, const Eval& eval, const Devices::Place& place);

// Whether writing outs[0] over ins[i] gives the same: the only stage reads element i of it for
// element i.
bool MayOverwrite(const LoweredEval& eval, uint32_t in);

}  // namespace tinyai
