#pragma once

#include <cstdint>
#include <span>

namespace tinyai {

// What one pass computes: the tokens of a chunk, which stand at `position` and after in the
// context.
struct Pass {
  std::span<const int32_t> tokens;  // 1 to Plan::chunk
  uint64_t position = 0;
  bool wants_logits = true;  // of the last token
};

}  // namespace tinyai
