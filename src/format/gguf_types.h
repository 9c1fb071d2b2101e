#pragma once

#include <cstdint>
#include <string_view>

namespace tinyai {

// What GGUF's numbers mean beyond what we compute with.

// The name of a tensor type that GGUF defines, whether we compute with it or not; empty for ids
// that it never defined or has removed.
std::string_view GgufTensorTypeName(uint32_t id);

// Whether GGUF once defined the type and removed it (4, 5 and the repacked kinds).
bool IsRemovedGgufTensorType(uint32_t id);

// Bytes of one value of a fixed size; 0 for strings and arrays. `type` is a MetaType id.
uint32_t MetaTypeBytes(uint32_t type);

}  // namespace tinyai
