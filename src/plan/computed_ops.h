#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "plan/plan.h"

namespace tinyai {

// Which ops a plan has computed, as the checker follows it from pass to pass: each once in a pass,
// products in slices that follow each other.
class ComputedOps {
 public:
  explicit ComputedOps(const Graph& graph);  // outlives this object

  // A step computes an op or rows of it, in this pass. What is wrong with that; empty: nothing.
  std::string Add(const step::Run& run, uint64_t pass, bool logits_only);

  // Whether all of the value was computed in this pass; the layer's keys and values stored.
  bool Made(ValueId id, uint64_t pass) const;
  bool Stored(uint32_t layer, uint64_t pass) const;
  // An op that was not computed in this pass.
  std::optional<OpId> Missing(uint64_t pass) const;

 private:
  struct Progress {
    uint64_t pass = 0;  // counted from 1
    uint64_t rows = 0;
    bool seen = false, logits_only = false;
  };
  bool Done(size_t op, uint64_t pass) const;
  std::string AddRows(const step::Run& run, Progress& progress, uint64_t pass) const;

  const Graph& graph_;
  std::vector<Progress> progress_;   // by op
  std::vector<size_t> producer_of_;  // op, by value
  std::vector<size_t> store_of_;     // op, by layer
};

}  // namespace tinyai
