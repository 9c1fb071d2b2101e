#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "lang/diagnostics.h"
#include "lang/schedule.h"

namespace tinyai {

// What the references of a schedule name in a model: ops and weights by what stands between the
// dots of their names. `blk.3` is all that begins so, `blk.0..7.ffn_down` one of each layer,
// `cache` and `cache.3` the keys and values of all layers and of one.
class ModelNames {
 public:
  // `graph` outlives this object.
  explicit ModelNames(const Graph& graph);

  // An op of just this name is meant alone; otherwise all of which the name is the beginning.
  // Weights are those whose name begins so and those of the ops.
  struct Rows {
    uint64_t begin, end;
  };
  struct Named {
    std::vector<OpId> ops;
    std::vector<WeightId> weights;
    bool cache = false;
    std::optional<Rows> rows;  // of each of the weights
  };
  // Errors I7 (nothing has this name) with the nearest that there is, A4 (it is the end of several
  // names, or a definition of a value that has just one). Rows are an error but `with_rows`.
  std::optional<Named> Resolve(const Ref& ref, Diagnostics& out, bool with_rows = false) const;

  bool Has(std::string_view name) const;

 private:
  struct Node {
    std::map<std::string, uint32_t, std::less<>> children;
    std::vector<OpId> ops;
    std::vector<WeightId> weights;
  };
  uint32_t Insert(std::string_view name);
  // Where the parts lead from all of `from`; false if there is no such way from one of them.
  bool Walk(const Ref::Part& part, std::vector<uint32_t>& at) const;
  void Collect(uint32_t node, bool with_ops, Named& out) const;
  void ReportUnknown(const Ref& ref, size_t part, const std::vector<uint32_t>& at,
                     Diagnostics& out) const;
  std::vector<std::string_view> EndingWith(std::string_view name) const;

  const Graph& graph_;
  std::vector<Node> nodes_;
};

}  // namespace tinyai
