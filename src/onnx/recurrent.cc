#include <algorithm>
#include <array>

#include "onnx/ops.h"

namespace tinyai {
namespace {

// Gates as we have them, i f g o and r z n, by where ONNX has them: i o f c and z r h.
constexpr std::array<uint32_t, 4> kLstmGates = {0, 2, 3, 1};
constexpr std::array<uint32_t, 3> kGruGates = {1, 0, 2};

// Operands: X [T, 1, D], W [directions, gates * H, D], R [directions, gates * H, H],
// B [directions, 2 * gates * H], lengths, h and c [directions, 1, H] before the first step.
class RecurrentRule {
 public:
  RecurrentRule(Importer& in, const OnnxNode& node) : in_(in), node_(node), attributes_(node) {}

  Status Import() {
    TRY(Check());
    std::vector<ValueId> all, last, cells;
    for (uint64_t d = 0; d < directions_; ++d) {
      const bool reverse = direction_ == "reverse" || d == 1;
      TRY_ASSIGN(ValueId out, Direction(d, reverse));
      if (has_cells_) {  // [T, 2, H]
        TRY_ASSIGN(const ValueId both, LastOf(out, reverse));
        TRY_ASSIGN(cells.emplace_back(), in_.Emit(op::Slice{1, 1, 2}, {both}));
        TRY_ASSIGN(out, in_.Emit(op::Slice{1, 0, 1}, {out}));
      }
      const Flow steps = Importer::Plain(out, {steps_, hidden_});
      TRY_ASSIGN(all.emplace_back(), in_.As(steps, {steps_, hidden_}));
      if (in_.IsUsed(node_, 1)) {
        TRY_ASSIGN(last.emplace_back(), LastOf(all.back(), reverse));
      }
    }
    if (in_.IsUsed(node_, 0)) {
      TRY_ASSIGN(const ValueId out, Joined(all, 1));
      in_.Set(node_, 0, Importer::Plain(out, {steps_, directions_, 1, hidden_}));
    }
    if (!last.empty()) {
      TRY_ASSIGN(const ValueId out, Joined(last, 0));
      in_.Set(node_, 1, Importer::Plain(out, {directions_, 1, hidden_}));
    }
    if (!cells.empty()) {
      TRY_ASSIGN(const ValueId out, Joined(cells, 0));
      in_.Set(node_, 2, Importer::Plain(out, {directions_, 1, hidden_}));
    }
    return {};
  }

 private:
  Status Check() {
    lstm_ = node_.op == "LSTM";
    direction_ = attributes_.Text("direction", "forward");
    directions_ = direction_ == "bidirectional" ? 2 : 1;
    if (attributes_.Has("activations") || attributes_.Has("clip") ||
        attributes_.Integer("input_forget", 0) != 0 || attributes_.Integer("layout", 0) != 0 ||
        (!lstm_ && attributes_.Integer("linear_before_reset", 0) == 0) || in_.Has(node_, 7)) {
      return in_.Unsupported(
          "cells other than PyTorch's: other activations, clip, peepholes, layout 1, or a GRU "
          "without linear_before_reset");
    }
    if (in_.Has(node_, 4)) return in_.Unsupported("sequences of different lengths");
    TRY_ASSIGN(x_, in_.FlowIn(node_, 0));
    const Dims dims = x_.dims();
    if (dims.size() != 3 || dims[1] != 1) {
      return in_.Unsupported("its operand is a batch; export the model with a batch of 1");
    }
    steps_ = dims[0];
    width_ = dims[2];
    TRY_ASSIGN(const Known* const r, in_.In(node_, 2));
    TRY_ASSIGN(const Known* const w, in_.In(node_, 1));
    const Dims of_r = Importer::DimsOf(*r);
    hidden_ = of_r.size() == 3 ? of_r[2] : 0;
    gates_ = lstm_ ? 4 : 3;
    if (hidden_ == 0 || hidden_ > UINT32_MAX ||
        of_r != Dims{directions_, gates_ * hidden_, hidden_} ||
        Importer::DimsOf(*w) != Dims{directions_, gates_ * hidden_, width_}) {
      return in_.Bad("its weights do not fit");
    }
    has_cells_ = lstm_ && in_.IsUsed(node_, 2);
    return {};
  }

  std::vector<uint32_t> Order() const {
    return lstm_ ? std::vector<uint32_t>(kLstmGates.begin(), kLstmGates.end())
                 : std::vector<uint32_t>(kGruGates.begin(), kGruGates.end());
  }

  // Of W or R, the rows of one direction.
  Result<WeightId> Matrix(size_t input, uint64_t direction, uint64_t cols) {
    WeightRecipe layout{.rows = gates_ * hidden_, .cols = cols, .length = cols};
    layout.first = direction * layout.rows * cols;
    layout.order = Order();
    return in_.LaidOut(node_, input, layout);
  }
  // Half of the biases of one direction: 0 of W, 1 of R.
  Result<WeightId> Bias(uint64_t direction, uint64_t half) {
    TRY_ASSIGN(const auto all, in_.ConstantIn(node_, 3));
    const uint64_t size = gates_ * hidden_;
    if (all->size() != directions_ * 2 * size) return in_.Bad("its biases do not fit");
    std::vector<float> out;
    for (const uint32_t gate : Order()) {
      const uint64_t from = (direction * 2 + half) * size + gate * hidden_;
      for (uint64_t i = from; i < from + hidden_; ++i) {
        out.push_back(static_cast<float>(all->number(i)));
      }
    }
    return in_.AddVector(std::move(out), half == 0 ? "bias" : "recurrent_bias");
  }

  // The state before the first step; nothing where that is zero.
  Result<std::optional<ValueId>> State(size_t input, uint64_t direction) {
    if (!in_.Has(node_, input)) return std::nullopt;
    if (in_.IsConstant(node_, input)) {
      TRY_ASSIGN(const auto constant, in_.ConstantIn(node_, input));
      for (uint64_t i = 0; i < constant->size(); ++i) {
        if (constant->number(i) != 0) return in_.Unsupported("a fixed state that is not zero");
      }
      return std::nullopt;
    }
    TRY_ASSIGN(const Flow flow, in_.FlowIn(node_, input));
    if (flow.dims() != Dims{directions_, 1, hidden_}) return in_.Bad("its state does not fit");
    TRY_ASSIGN(const Flow part, SliceOf(in_, flow, 0, direction, direction + 1));
    TRY_ASSIGN(const ValueId state, in_.As(part, {hidden_}));
    return state;
  }

  Result<ValueId> Direction(uint64_t direction, bool reverse) {
    TRY_ASSIGN(const ValueId x, in_.As(x_, {steps_, width_}));
    TRY_ASSIGN(const WeightId w, Matrix(1, direction, width_));
    TRY_ASSIGN(const WeightId r, Matrix(2, direction, hidden_));
    std::vector<WeightId> of_input = {w}, of_state = {r};
    if (in_.Has(node_, 3)) {
      TRY_ASSIGN(of_input.emplace_back(), Bias(direction, 0));
      TRY_ASSIGN(of_state.emplace_back(), Bias(direction, 1));
    }
    TRY_ASSIGN(const ValueId gates, in_.Emit(op::MatMul{}, {x}, std::move(of_input)));
    std::vector<ValueId> ins = {gates};
    TRY_ASSIGN(const auto h, State(5, direction));
    TRY_ASSIGN(const auto c, lstm_ ? State(6, direction) : Result<std::optional<ValueId>>());
    if (lstm_ && h.has_value() != c.has_value()) {
      return in_.Unsupported("a state of which one half is given");
    }
    if (h) ins.push_back(*h);
    if (c) ins.push_back(*c);
    const op::Recurrent kind{lstm_ ? op::Cell::kLstm : op::Cell::kGru, reverse, has_cells_};
    return in_.Emit(kind, std::move(ins), std::move(of_state));
  }

  Result<ValueId> LastOf(ValueId steps, bool reverse) {
    const uint64_t at = reverse ? 0 : steps_ - 1;
    if (steps_ == 1) return steps;
    return in_.Emit(op::Slice{0, at, at + 1}, {steps});
  }
  Result<ValueId> Joined(std::vector<ValueId> parts, uint32_t axis) {
    if (parts.size() == 1) return parts[0];
    return in_.Emit(op::Concat{axis}, std::move(parts));
  }

  Importer& in_;
  const OnnxNode& node_;
  NodeAttributes attributes_;
  bool lstm_ = false, has_cells_ = false;
  std::string_view direction_;
  uint64_t directions_ = 1, gates_ = 0, steps_ = 0, width_ = 0, hidden_ = 0;
  Flow x_;
};

}  // namespace

Status ImportRecurrent(Importer& in, const OnnxNode& node) {
  return RecurrentRule(in, node).Import();
}

}  // namespace tinyai
