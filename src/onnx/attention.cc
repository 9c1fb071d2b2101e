// Products of two computed values exist here only as attention: scores = scale q k + mask, their
// softmax, times v. The nodes come one after the other; what is known so far is kept in Scores.

#include <algorithm>
#include <cmath>
#include <utility>

#include "onnx/ops.h"

namespace tinyai {
namespace {

// What a mask adds where nothing may be seen: -inf, or far below any score.
constexpr double kHidden = -1e4;

// Axes [.., H, a, b] of a value; those before H are 1. Without H it is 1.
struct Heads {
  uint64_t heads = 1, rows = 0, cols = 0;
};
Result<Heads> HeadsOf(Importer& in, const Dims& dims) {
  if (dims.size() < 2) return in.Unsupported("attention over a vector");
  Heads out{1, dims[dims.size() - 2], dims.back()};
  for (size_t i = 0; i + 2 < dims.size(); ++i) {
    if (dims[i] == 1) continue;
    if (i + 3 != dims.size())
      return in.Unsupported("attention with two kinds of heads, or a batch");
    out.heads = dims[i];
  }
  return out;
}

// [.., H, a, b] as [a, H * b], or with `turned` as [b, H * a].
Result<ValueId> HeadsInside(Importer& in, const Flow& flow, const Heads& heads, bool turned) {
  const auto axes = static_cast<uint32_t>(flow.order.size());
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i + 2 < axes; ++i) order.push_back(i);
  order.insert(turned ? order.begin() : order.begin(), turned ? axes - 1 : axes - 2);
  order.push_back(turned ? axes - 2 : axes - 1);
  const uint64_t rows = turned ? heads.cols : heads.rows;
  return in.As(Importer::Permuted(flow, order),
               {rows, heads.heads * heads.rows * heads.cols / rows});
}

// Whether a mask hides nothing, or all that comes later; nothing if it is another.
std::optional<bool> IsCausal(const std::vector<float>& mask, uint64_t rows, uint64_t keys) {
  bool plain = true, causal = keys >= rows;
  for (uint64_t t = 0; t < rows; ++t) {
    for (uint64_t s = 0; s < keys; ++s) {
      const float value = mask[t * keys + s];
      plain &= value == 0;
      causal &= s <= t + keys - rows ? value == 0 : value <= kHidden;
    }
  }
  if (plain) return false;
  return causal ? std::optional(true) : std::nullopt;
}

Status AddMask(Importer& in, Scores& scores, const Constant& mask) {
  const Dims& dims = scores.dims;
  const uint64_t rows = dims[dims.size() - 2], keys = dims.back();
  Constant one = mask;
  while (one.dims.size() > 2 && one.dims[0] == 1) one.dims.erase(one.dims.begin());
  const auto all = BroadcastDims(one.dims, {rows, keys});
  if (one.dims.size() > 2 || !all || *all != Dims{rows, keys}) {
    return in.Unsupported("a mask that differs between heads");
  }
  TRY(in.Spend(*all));
  const std::optional<bool> causal = IsCausal(FloatsOf(one, {rows, keys}), rows, keys);
  if (!causal) return in.Unsupported("a mask that is not the one of later positions");
  scores.causal |= *causal;
  return {};
}

// Where(mask, scores, hidden) or Where(mask, hidden, scores), as the mask that is added.
Result<Constant> MaskOfWhere(Importer& in, const OnnxNode& node, bool scores_first) {
  TRY_ASSIGN(const auto truth, in.ConstantIn(node, 0));
  TRY_ASSIGN(const auto other, in.ConstantIn(node, scores_first ? 2 : 1));
  if (other->size() != 1 || other->number(0) > kHidden) {
    return in.Unsupported("scores are replaced by something else than what hides them");
  }
  Constant mask{.dims = truth->dims};
  for (uint64_t i = 0; i < truth->size(); ++i) {
    const bool kept = (truth->number(i) != 0) == scores_first;
    mask.floats.push_back(kept ? 0.0F : static_cast<float>(other->number(0)));
  }
  return mask;
}

}  // namespace

Status ImportScores(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(Flow q, in.FlowIn(node, 0));
  TRY_ASSIGN(Flow k, in.FlowIn(node, 1));
  TRY_ASSIGN(const Heads of_q, HeadsOf(in, q.dims()));
  TRY_ASSIGN(const Heads of_k, HeadsOf(in, k.dims()));
  if (of_q.heads != of_k.heads || of_q.cols != of_k.rows) {
    return in.Unsupported("a product of two computed values that is no attention");
  }
  Scores scores{.q = q, .k = k, .dims = q.dims()};
  scores.dims.back() = of_k.cols;
  scores.scale = std::exchange(scores.q.scale, 1.0F) * std::exchange(scores.k.scale, 1.0F);
  in.Set(node, 0, std::move(scores));
  return {};
}

Status ImportScoresWith(Importer& in, const OnnxNode& node) {
  size_t which = 0;
  Scores scores;
  for (; which < node.inputs.size(); ++which) {
    TRY_ASSIGN(const Known* const known, in.In(node, which));
    if (const auto* const found = std::get_if<Scores>(known)) {
      scores = *found;
      break;
    }
  }
  if (which == node.inputs.size()) return in.Unsupported("a choice between computed values");
  if (scores.normal) return in.Unsupported("something between the softmax of attention and v");
  if (node.op == "Softmax") {
    const auto axis = AxisOf(NodeAttributes(node).Integer("axis", -1), scores.dims.size());
    if (axis != scores.dims.size() - 1) return in.Unsupported("a softmax over other than the keys");
    scores.normal = true;
  } else if (node.op == "Where") {
    TRY_ASSIGN(const Constant mask, MaskOfWhere(in, node, which == 1));
    TRY(AddMask(in, scores, mask));
  } else if (node.op == "Add") {
    TRY_ASSIGN(const auto mask, in.ConstantIn(node, 1 - which));
    TRY(AddMask(in, scores, *mask));
  } else {
    TRY_ASSIGN(const auto factor, in.ConstantIn(node, 1 - which));
    if (factor->size() != 1 || (node.op == "Div" && which != 0)) {
      return in.Unsupported("scores are scaled by one number only");
    }
    const auto number = static_cast<float>(factor->number(0));
    if (scores.causal) return in.Unsupported("scores are scaled before they are masked");
    scores.scale *= node.op == "Div" ? 1 / number : number;
  }
  in.Set(node, 0, std::move(scores));
  return {};
}

Status ImportMixed(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Known* const known, in.In(node, 0));
  const auto scores = std::get<Scores>(*known);
  if (!scores.normal) return in.Unsupported("scores of attention without a softmax");
  TRY_ASSIGN(Flow v, in.FlowIn(node, 1));
  TRY_ASSIGN(const Heads of_q, HeadsOf(in, scores.q.dims()));
  TRY_ASSIGN(const Heads of_k, HeadsOf(in, scores.k.dims()));
  TRY_ASSIGN(const Heads of_v, HeadsOf(in, v.dims()));
  const bool fits = of_v.heads == of_q.heads && of_v.rows == of_k.cols;
  if (!fits || !(scores.scale > 0) || !std::isfinite(scores.scale)) {
    return in.Unsupported("a product of scores and a value that is no attention");
  }
  const float scale = std::exchange(v.scale, 1.0F);
  TRY_ASSIGN(const ValueId q, HeadsInside(in, scores.q, of_q, false));
  TRY_ASSIGN(const ValueId k, HeadsInside(in, scores.k, of_k, true));
  TRY_ASSIGN(const ValueId mixed_of, HeadsInside(in, v, of_v, false));
  const auto heads = static_cast<uint32_t>(of_q.heads);
  TRY_ASSIGN(const ValueId out,
             in.Emit(op::Attend{heads, heads, scores.causal, scores.scale}, {q, k, mixed_of}));
  // [T, H * e], seen as [.., H, T, e].
  Flow result{.base = out, .split = {of_q.rows, of_q.heads, of_v.cols}, .scale = scale};
  const size_t axes = scores.dims.size();
  if (axes == 2) {
    result.order = {0, 2};
  } else {
    result.split.insert(result.split.begin(), axes - 3, 1);
    for (uint32_t i = 0; i + 3 < axes; ++i) result.order.push_back(i);
    const auto first = static_cast<uint32_t>(axes - 3);
    result.order.insert(result.order.end(), {first + 1, first, first + 2});
  }
  in.Set(node, 0, std::move(result));
  return {};
}

}  // namespace tinyai
