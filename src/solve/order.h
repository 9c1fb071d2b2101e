#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "solve/search_limits.h"

// In which order ops have to run so that the most bytes ever live at once are as few as possible.
namespace tinyai {

// Tensors are numbers below tensor_bytes.size(), ops are indexes of `ops`. A tensor is made by at
// most one op, or an input, which is there from the start.
//
// A tensor lives from the op that makes it (or from the start) to the last op that reads it, or to
// the end if it is an output. While an op runs its ins, outs and workspace live together with
// whatever else does. What nobody reads and is no output lives only during the op that makes it; an
// input that nobody reads takes nothing.
//
// An op that works in place: the buffer is one tensor, made by the first op and read by all that
// touch it; tensors of zero bytes from one to the next keep them in order.
struct OrderProblem {
  struct Op {
    std::vector<uint32_t> ins, outs;  // may repeat a tensor
    uint64_t workspace_bytes = 0;
  };
  std::vector<uint64_t> tensor_bytes;
  std::vector<uint32_t> inputs, outputs;
  std::vector<Op> ops;
};

struct OrderResult {
  std::vector<uint32_t> order;  // every op once
  uint64_t peak_bytes = 0;
  uint64_t lower_bound_bytes = 0;  // no order needs less
  // What it took: "trees" if no search (trees and ops that are forced), "descents", "greedy".
  std::string_view method;
  uint64_t states = 0;  // visited by searches, a measure of the work that is equal in equal runs

  bool optimal() const { return peak_bytes == lower_bound_bytes; }
};

// Error BAD_PROBLEM (bad file): a number out of range, a tensor made twice, made though an input,
// or used but neither, a cycle, or bytes whose sum does not fit in 60 bits. The message names the
// op, and the tensor by its number, or its name if there are names.
Status CheckOrderProblem(const OrderProblem& problem, std::span<const std::string> names = {});

// What a search at kNormal looks at: ops, over all states. About a second.
constexpr uint64_t kNormalOrderWork = 20'000'000;

// `problem` has passed CheckOrderProblem. Never worse than the order of `problem.ops` if that is
// one that may be executed. At kFast near linear in the size of the problem; `most_work`: at
// kNormal.
OrderResult SolveOrder(const OrderProblem& problem, const SearchLimits& limits = {},
                       uint64_t most_work = kNormalOrderWork);

// The peak of a given order, by following it; shares nothing with the search. Error BAD_SOLUTION
// (other) if it is no permutation of the ops or runs one before a tensor that it reads is there.
Result<uint64_t> PeakOfOrder(const OrderProblem& problem, std::span<const uint32_t> order);

}  // namespace tinyai
