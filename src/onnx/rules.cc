#include <array>
#include <string_view>
#include <utility>

#include "onnx/ops.h"

namespace tinyai {
namespace {

constexpr std::pair<std::string_view, NodeRule> kRules[] = {
    {"Add", ImportAdd},
    {"AveragePool", ImportPool},
    {"BatchNormalization", ImportBatchNorm},
    {"Cast", ImportSame},
    {"Clip", ImportClip},
    {"Concat", ImportConcat},
    {"Conv", ImportConv},
    {"ConvTranspose", ImportConvTranspose},
    {"DepthToSpace", ImportDepthToSpace},
    {"Div", ImportDiv},
    {"Dropout", ImportSame},
    {"Erf", ImportErf},
    {"Expand", ImportExpand},
    {"Flatten", ImportReshape},
    {"GRU", ImportRecurrent},
    {"Gather", ImportGather},
    {"Gelu", ImportActivation},
    {"Gemm", ImportGemm},
    {"GlobalAveragePool", ImportGlobalPool},
    {"GlobalMaxPool", ImportGlobalPool},
    {"GroupNormalization", ImportGroupNorm},
    {"HardSigmoid", ImportGate},
    {"HardSwish", ImportActivation},
    {"Identity", ImportSame},
    {"InstanceNormalization", ImportInstanceNorm},
    {"LSTM", ImportRecurrent},
    {"LayerNormalization", ImportLayerNorm},
    {"LeakyRelu", ImportActivation},
    {"MatMul", ImportMatMul},
    {"MaxPool", ImportPool},
    {"Mul", ImportMul},
    {"Neg", ImportNeg},
    {"PRelu", ImportPRelu},
    {"Pad", ImportPad},
    {"Pow", ImportPow},
    {"RMSNormalization", ImportLayerNorm},
    {"ReduceMax", ImportReduce},
    {"ReduceMean", ImportReduce},
    {"ReduceMin", ImportReduce},
    {"ReduceSum", ImportReduce},
    {"Relu", ImportActivation},
    {"Reshape", ImportReshape},
    {"Resize", ImportResize},
    {"Sigmoid", ImportGate},
    {"Slice", ImportSlice},
    {"Softmax", ImportSoftmax},
    {"SpaceToDepth", ImportDepthToSpace},
    {"Split", ImportSplit},
    {"Sqrt", ImportSqrt},
    {"Squeeze", ImportReshape},
    {"Sub", ImportSub},
    {"Sum", ImportSum},
    {"Swish", ImportActivation},
    {"Tanh", ImportActivation},
    {"Transpose", ImportTranspose},
    {"Unsqueeze", ImportReshape},
    {"Upsample", ImportResize},
    {"Where", ImportScoresWith},
};

}  // namespace

NodeRule FindRule(std::string_view op) {
  for (const auto& [name, rule] : kRules) {
    if (name == op) return rule;
  }
  return nullptr;
}

}  // namespace tinyai
