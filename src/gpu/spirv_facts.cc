#include "gpu/spirv_facts.h"

#include <algorithm>
#include <map>
#include <optional>

#include "fmt/format.h"

namespace tinyai {
namespace {

// Numbers of the SPIR-V specification. A module is five words, then instructions: a word with the
// opcode in its lower half and the number of words in the upper one, then operands.
constexpr size_t kHeaderWords = 5;
constexpr uint32_t kOpExecutionMode = 16, kOpCapability = 17, kOpVariable = 59, kOpDecorate = 71;
constexpr uint32_t kModeLocalSize = 17;
constexpr uint32_t kBinding = 33, kDescriptorSet = 34;
// Storage classes.
constexpr uint32_t kUniformConstant = 0, kUniform = 2, kPushConstant = 9, kImage = 11,
                   kStorageBuffer = 12;

enum Capability : uint32_t {
  kMatrix = 0,
  kShader = 1,
  kFloat64 = 10,
  kInt64 = 11,
  kInt16 = 22,
  kInt8 = 39,
  kStorageBuffer16BitAccess = 4433,
  kUniformAndStorageBuffer16BitAccess = 4434,
  kStorageBuffer8BitAccess = 4448,
  kUniformAndStorageBuffer8BitAccess = 4449,
};

bool Has(const GpuFeatures& features, uint32_t capability) {
  switch (capability) {
    case kMatrix:
    case kShader:
      return true;
    case kFloat64:
      return features.float64;
    case kInt64:
      return features.int64;
    case kInt16:
    case kStorageBuffer16BitAccess:
    case kUniformAndStorageBuffer16BitAccess:
      return features.float16;
    case kInt8:
    case kStorageBuffer8BitAccess:
    case kUniformAndStorageBuffer8BitAccess:
      return features.int8;
    default:
      return false;
  }
}

}  // namespace

SpirvFacts ReadSpirv(std::span<const uint32_t> code) {
  SpirvFacts facts;
  std::map<uint32_t, uint32_t> sets, bindings;  // by variable
  for (size_t at = kHeaderWords; at < code.size();) {
    const uint32_t words = code[at] >> 16, op = code[at] & 0xFFFF;
    if (words == 0 || words > code.size() - at) break;
    const auto operands = code.subspan(at + 1, words - 1);
    if (op == kOpCapability && operands.size() == 1) facts.capabilities.push_back(operands[0]);
    if (op == kOpExecutionMode && operands.size() == 5 && operands[1] == kModeLocalSize) {
      std::copy_n(operands.begin() + 2, 3, facts.local_size.begin());
    }
    if (op == kOpDecorate && operands.size() == 3) {
      if (operands[1] == kBinding) bindings[operands[0]] = operands[2];
      if (operands[1] == kDescriptorSet) sets[operands[0]] = operands[2];
    }
    if (op == kOpVariable && operands.size() >= 3) {  // all decorations stand before
      const uint32_t kind = operands[2];
      if (kind == kStorageBuffer)
        facts.bindings.emplace_back(sets[operands[1]], bindings[operands[1]]);
      if (kind == kUniformConstant || kind == kUniform || kind == kPushConstant || kind == kImage) {
        facts.others = true;
      }
    }
    at += words;
  }
  return facts;
}

Status CheckLaunch(std::string_view name, const SpirvFacts& facts, uint32_t buffers,
                   const GpuInfo& gpu) {
  const auto wrong = [&](std::string_view what) {
    return Fail(ErrorCode::kUnsupported, "GPU_KERNEL", fmt::format("kernel {}: {}", name, what));
  };
  if (facts.others) return wrong("it may use storage buffers, and nothing else from outside");
  for (const auto& [set, binding] : facts.bindings) {
    if (set == 0 && binding < buffers) continue;
    return wrong(fmt::format("set {}, binding {}: there are bindings 0 to {} of set 0", set,
                             binding, buffers - 1));
  }
  const auto& size = facts.local_size;
  if (size[0] == 0 || size[1] != 1 || size[2] != 1) {
    return wrong(fmt::format("work groups of {} x {} x {}: they may extend along x only", size[0],
                             size[1], size[2]));
  }
  const auto missing = std::find_if(facts.capabilities.begin(), facts.capabilities.end(),
                                    [&](uint32_t one) { return !Has(gpu.features, one); });
  if (missing != facts.capabilities.end()) {
    return Fail(ErrorCode::kUnsupported, "GPU_FEATURE",
                fmt::format("kernel {}: {} lacks SPIR-V's capability {}, or it is not used here",
                            name, gpu.name, *missing));
  }
  if (size[0] <= gpu.limits.invocations) return {};
  return Fail(ErrorCode::kUnsupported, "GPU_FEATURE",
              fmt::format("kernel {}: {} has at most {} invocations in a work group, not {}", name,
                          gpu.name, gpu.limits.invocations, size[0]));
}

}  // namespace tinyai
