#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "format/graph_records.h"
#include "graph/layer_builder.h"

namespace tinyai {

// Attributes as text: "size=3,3 stride=2,2 epsilon=1e-5 mode=nearest". A number with a point or an
// exponent is a float, one without is an integer, several with commas (also "4,") a list, the rest
// a name. Error ARG_VALUE.
Result<std::vector<std::pair<std::string, GraphRecords::Attribute>>> ParseAttributes(
    std::string_view text);

// Makes a .tmai file of a layer graph from nothing, op by op. Not thread-safe.
class ModelBuilder {
 public:
  // Puts bytes of a weight, from `offset` of it on, to `out`.
  using WeightSource = std::function<Status(uint64_t offset, std::span<std::byte> out)>;

  explicit ModelBuilder(const std::string& name) : builder_(name), name_(name) {}

  Result<ValueId> AddInput(std::string name, Shape shape);
  // `rows` rows of `cols` elements; `source` is asked when the file is written, piece by piece.
  Result<WeightId> AddWeight(std::string name, DType type, uint64_t rows, uint64_t cols,
                             WeightSource source);
  // Errors GRAPH_OP, GRAPH_SHAPE.
  Result<ValueId> AddOp(std::string name, std::string kind, std::string_view attributes,
                        std::vector<ValueId> ins, std::vector<WeightId> weights);
  // Makes a layer of all ops since the last one.
  Status EndLayer(std::string name, LayerRole role) { return builder_.EndLayer(name, role); }

  // Writes the file; holds a piece of a weight at a time. Whatever is at `path` stays until the new
  // file is whole. Errors GRAPH_OP, those of AtomicFile and of the sources.
  Status Save(const std::string& path) const;

  const Graph& graph() const { return builder_.graph(); }

 private:
  LayerBuilder builder_;
  std::string name_;
  std::vector<WeightSource> sources_;  // by weight
};

}  // namespace tinyai
