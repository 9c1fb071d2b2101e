#pragma once

#include "onnx/importer.h"

namespace tinyai {

// What becomes of a node of each op. All operands are known; the results are set.
using NodeRule = Status (*)(Importer&, const OnnxNode&);

// The rule for an op; nullptr if there is none.
NodeRule FindRule(std::string_view op);

// Carries out a node whose operands are constants, and Shape and Size, which only need the shape of
// theirs. False if it is another, or one that we cannot compute. Errors ONNX_OP.
Result<bool> Fold(Importer& in, const OnnxNode& node);

Status ImportConv(Importer& in, const OnnxNode& node);
Status ImportConvTranspose(Importer& in, const OnnxNode& node);
Status ImportGemm(Importer& in, const OnnxNode& node);
Status ImportMatMul(Importer& in, const OnnxNode& node);

Status ImportScores(Importer& in, const OnnxNode& node);  // MatMul of two values
Status ImportMixed(Importer& in, const OnnxNode& node);   // MatMul of scores and values
Status ImportScoresWith(Importer& in,
                        const OnnxNode& node);  // Add, Mul, Div, Where, Softmax of them

Status ImportAdd(Importer& in, const OnnxNode& node);
Status ImportSub(Importer& in, const OnnxNode& node);
Status ImportMul(Importer& in, const OnnxNode& node);
Status ImportDiv(Importer& in, const OnnxNode& node);
Status ImportPow(Importer& in, const OnnxNode& node);
Status ImportSqrt(Importer& in, const OnnxNode& node);
Status ImportNeg(Importer& in, const OnnxNode& node);
Status ImportSum(Importer& in, const OnnxNode& node);

Status ImportActivation(Importer& in, const OnnxNode& node);
Status ImportClip(Importer& in, const OnnxNode& node);
Status ImportErf(Importer& in, const OnnxNode& node);
Status ImportGate(Importer& in, const OnnxNode& node);  // Sigmoid, HardSigmoid
Status ImportPRelu(Importer& in, const OnnxNode& node);
Status ImportSoftmax(Importer& in, const OnnxNode& node);

Status ImportBatchNorm(Importer& in, const OnnxNode& node);
Status ImportInstanceNorm(Importer& in, const OnnxNode& node);
Status ImportGroupNorm(Importer& in, const OnnxNode& node);
Status ImportLayerNorm(Importer& in, const OnnxNode& node);  // and RMSNormalization
Status ImportPool(Importer& in, const OnnxNode& node);
Status ImportGlobalPool(Importer& in, const OnnxNode& node);
Status ImportReduce(Importer& in, const OnnxNode& node);

Status ImportSame(Importer& in, const OnnxNode& node);  // Identity, Dropout, Cast
Status ImportReshape(Importer& in, const OnnxNode& node);
Status ImportTranspose(Importer& in, const OnnxNode& node);
Status ImportDepthToSpace(Importer& in, const OnnxNode& node);
Status ImportConcat(Importer& in, const OnnxNode& node);
Status ImportSplit(Importer& in, const OnnxNode& node);
Status ImportSlice(Importer& in, const OnnxNode& node);
Status ImportGather(Importer& in, const OnnxNode& node);
Status ImportExpand(Importer& in, const OnnxNode& node);
Status ImportPad(Importer& in, const OnnxNode& node);
Status ImportResize(Importer& in, const OnnxNode& node);

Status ImportRecurrent(Importer& in, const OnnxNode& node);  // LSTM, GRU

// --- shared by several of these ---

// The window that the attributes of a node tell, for an operand of these dims. `size`: of the
// window.
Result<op::Window> WindowOf(Importer& in, const OnnxNode& node, const Dims& operand,
                            std::span<const uint64_t> size);

// Where an op works along one axis: the value for one sample, and what its axis is there.
struct Along {
  ValueId value;
  uint32_t axis;
};
Result<Along> AlongAxis(Importer& in, const Flow& flow, uint32_t axis);
// A slice along an axis.
Result<Flow> SliceOf(Importer& in, const Flow& flow, uint32_t axis, uint64_t begin, uint64_t end);
// Axes that an attribute or, in newer nodes, an operand names.
Result<std::optional<std::vector<int64_t>>> ListOf(Importer& in, const OnnxNode& node,
                                                   std::string_view name, size_t input);
// The shape that Reshape, Flatten, Squeeze and Unsqueeze give to an operand of `dims`.
Result<Dims> ReshapedDims(Importer& in, const OnnxNode& node, const Dims& dims);
// The order that a Transpose gives to so many axes.
Result<std::vector<uint32_t>> OrderOf(Importer& in, const OnnxNode& node, size_t axes);
// `flow` with the same elements in another shape.
Result<Flow> Relabel(Importer& in, const Flow& flow, Dims dims);
// Flow times or plus numbers that are known.
Result<Flow> WithConstant(Importer& in, const Flow& flow, const Constant& constant, bool add);

}  // namespace tinyai
