#include "format/gguf_types.h"

#include <array>

#include "format/model_file.h"

namespace tinyai {
namespace {

// By type id; empty where GGUF has no such type (any more).
constexpr std::array<std::string_view, 43> kTensorTypes = {
    "F32",     "F16",   "Q4_0",   "Q4_1",  "",      "",       "Q5_0", "Q5_1",    "Q8_0",
    "Q8_1",    "Q2_K",  "Q3_K",   "Q4_K",  "Q5_K",  "Q6_K",   "Q8_K", "IQ2_XXS", "IQ2_XS",
    "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",   "I16",     "I32",
    "I64",     "F64",   "IQ1_M",  "BF16",  "",      "",       "",     "TQ1_0",   "TQ2_0",
    "",        "",      "",       "MXFP4", "NVFP4", "Q1_0",   "Q2_0",
};

constexpr std::array<std::string_view, 13> kMetaTypes = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64",
};
constexpr std::array<uint32_t, 13> kMetaTypeBytes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

}  // namespace

std::string_view GgufTensorTypeName(uint32_t id) {
  return id < kTensorTypes.size() ? kTensorTypes[id] : std::string_view();
}

bool IsRemovedGgufTensorType(uint32_t id) {
  return id < kTensorTypes.size() && kTensorTypes[id].empty();
}

uint32_t MetaTypeBytes(uint32_t type) {
  return type < kMetaTypeBytes.size() ? kMetaTypeBytes[type] : 0;
}

std::string_view Name(MetaType type) {
  const auto id = static_cast<uint32_t>(type);
  return id < kMetaTypes.size() ? kMetaTypes[id] : "unknown";
}

}  // namespace tinyai
