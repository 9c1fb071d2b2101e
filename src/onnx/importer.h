#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "graph/layer_builder.h"
#include "onnx/import_onnx.h"
#include "onnx/known.h"

namespace tinyai {

// The attributes of a node. One of another type than asked for counts as missing.
class NodeAttributes {
 public:
  explicit NodeAttributes(const OnnxNode& node) : node_(node) {}
  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  int64_t Integer(std::string_view name, int64_t otherwise) const;
  float Float(std::string_view name, float otherwise) const;
  std::string_view Text(std::string_view name, std::string_view otherwise) const;
  std::optional<std::vector<int64_t>> Integers(std::string_view name) const;
  const OnnxTensor* Tensor(std::string_view name) const;
  std::span<const float> Floats(std::string_view name) const;

 private:
  const OnnxAttribute* Find(std::string_view name) const;
  const OnnxNode& node_;
};

// Builds the graph, node by node; the ops_*.cc files tell what becomes of each kind. Every op of
// ours is a layer.
class Importer {
 public:
  Importer(const OnnxModel& model, OnnxParts parts, const OnnxOptions& options)
      : model_(model), parts_(parts), options_(options), builder_(model.name) {}

  Result<ImportedOnnx> Import();

  // --- the node under way ---

  uint64_t opset() const { return model_.opset; }
  const Graph& graph() const { return builder_.graph(); }
  OnnxParts parts() const { return parts_; }
  // ONNX_OP: we have no op for it (exit 6), or it makes no sense (exit 3).
  tl::unexpected<Error> Unsupported(std::string_view why) const;
  tl::unexpected<Error> Bad(std::string_view why) const;
  bool Has(const OnnxNode& node, size_t input) const;
  Result<const Known*> In(const OnnxNode& node, size_t input) const;
  // Only for an operand that is there, as it is known or computed.
  Result<Flow> FlowIn(const OnnxNode& node, size_t input);
  bool IsConstant(const OnnxNode& node, size_t input) const;
  Result<std::shared_ptr<const Constant>> ConstantIn(const OnnxNode& node, size_t input);
  // A list of integers that is an operand; nothing if there is none.
  Result<std::optional<std::vector<int64_t>>> IntegersIn(const OnnxNode& node, size_t input);
  // Before numbers of this shape are looked at or made while the model is converted. Error ONNX_OP
  // where that would be more than kMostConstantElements, or all of them so far more work than any
  // model needs: what a small file asks for is bounded.
  Status Spend(const Dims& dims);
  void Set(const OnnxNode& node, size_t output, Known known);
  void SetName(const std::string& name, Known known) { known_[name] = std::move(known); }
  bool IsUsed(const OnnxNode& node, size_t output) const;
  static Dims DimsOf(const Known& known);

  // The only node that reads a value, if it is of this op, and its other operand is known by now.
  struct Follower {
    const OnnxNode* node;
    std::shared_ptr<const Constant> constant;
  };
  std::optional<Follower> FollowedBy(const std::string& value, std::string_view op);
  void MarkDone(const OnnxNode& node) { done_.insert(&node); }

  // --- values ---

  static Flow Plain(ValueId id, Dims dims);
  static Flow Permuted(Flow flow, std::span<const uint32_t> order);
  // The elements in their order, in a value of this shape.
  Result<ValueId> As(const Flow& flow, const Shape& shape);
  // As it is for one sample: without a first axis of 1.
  static Shape SampleShape(const Dims& dims);
  Result<ValueId> Sample(const Flow& flow) { return As(flow, SampleShape(flow.dims())); }
  Result<Flow> FlowOf(const Known& known);
  Result<ValueId> Emit(OpKind kind, std::vector<ValueId> ins, std::vector<WeightId> weights = {});
  Result<Flow> EmitActivation(const Flow& flow, op::Function function, float alpha = 0);

  // --- weights ---

  Result<WeightId> AddWeight(const WeightRecipe& recipe, const std::string& name);
  // Numbers as a vector; `what` is a word for its name.
  Result<WeightId> AddVector(std::vector<float> values, std::string_view what);
  // An operand as a vector of `size`.
  Result<WeightId> VectorIn(const OnnxNode& node, size_t input, uint64_t size);
  // An operand whose elements are `rows` rows as they lie.
  Result<WeightId> RowsIn(const OnnxNode& node, size_t input, uint64_t rows);
  // An operand of shape [.., inputs, outputs] (or turned) as a row for each output.
  Result<WeightId> MatrixIn(const OnnxNode& node, size_t input, bool turned, float scale = 1);
  // An operand laid out as `layout` says, whose tensor is filled in.
  Result<WeightId> LaidOut(const OnnxNode& node, size_t input, WeightRecipe layout);

 private:
  Result<DType> MatrixType(const OnnxTensor& tensor, float scale) const;
  Status Prepare();
  Status AddInputs();
  Result<Dims> InputDims(const OnnxInput& input) const;
  Status ImportNode(const OnnxNode& node);
  // Constants that nobody reads any more after this node go.
  void Release(const OnnxNode& node);
  Status CheckHeld() const;
  Result<std::vector<ValueId>> Outputs();
  Result<Flow> FlowOfPart(const Part& part);
  Result<ValueId> Turned(const Flow& flow);
  Result<ValueId> Reshaped(ValueId value, const Shape& shape);
  // Names that are taken, with the number that a name like it tries next.
  using Names = std::unordered_map<std::string, size_t>;
  std::string NewName(std::string_view wanted, Names& names) const;
  std::string NodeName() const;

  const OnnxModel& model_;
  OnnxParts parts_;
  const OnnxOptions& options_;
  LayerBuilder builder_;
  std::vector<WeightRecipe> recipes_;
  std::unordered_map<std::string, Known> known_;
  std::unordered_map<std::string, std::vector<const OnnxNode*>> readers_;
  std::unordered_map<std::string_view, size_t> reads_left_;
  std::set<std::string_view> outputs_;
  std::set<const OnnxNode*> needed_, done_;
  const OnnxNode* node_ = nullptr;
  Names op_names_, weight_names_;
  uint64_t spent_ = 0;  // by Spend()
  uint64_t held_ = 0;   // elements of constants in known_, and of vectors that weights are made of
  std::map<std::tuple<ValueId, Dims, std::vector<uint32_t>>, ValueId> turned_;
  std::map<std::pair<ValueId, float>, ValueId> scaled_;
  std::map<std::pair<ValueId, Shape>, ValueId> reshaped_;
  std::map<std::tuple<const OnnxTensor*, uint64_t, uint64_t, uint64_t, uint64_t,
                      std::vector<uint32_t>, float, DType>,
           WeightId>
      weights_;
};

}  // namespace tinyai
