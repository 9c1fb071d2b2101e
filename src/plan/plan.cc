#include "plan/plan.h"

namespace tinyai {

std::string_view Name(BufferKind kind) {
  switch (kind) {
    case BufferKind::kResident:
      return "resident weights";
    case BufferKind::kRing:
      return "ring";
    case BufferKind::kCache:
      return "kv cache";
    case BufferKind::kActivation:
      return "activations";
    case BufferKind::kStaging:
      return "embedding rows";
    case BufferKind::kWorkspace:
      return "workspace";
  }
  return "";
}

uint64_t KeyCacheBytes(const AttentionShape& shape, DType type, uint64_t context) {
  return shape.kv_heads * context * RowBytes(type, shape.head_dim);
}

uint64_t ValueCacheBytes(const AttentionShape& shape, DType type, uint64_t context) {
  return shape.kv_heads * context * RowBytes(type, shape.value_head_dim);
}

}  // namespace tinyai
