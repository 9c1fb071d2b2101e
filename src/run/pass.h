#pragma once

#include <cstdint>
#include <span>

namespace tinyai {

// What one pass computes: of a text model the tokens of a chunk, which stand at `position` and
// after in the context; of a layer graph some samples.
struct Pass {
  std::span<const int32_t> tokens;  // 1 to Plan::chunk
  uint64_t position = 0;
  bool wants_logits = true;  // of the last token
  uint64_t samples = 0;      // where there are no tokens: 1 to Plan::chunk
  // What op::Input gives, by its index: the samples one after the other. Null: zeros.
  std::span<const float* const> inputs = {};

  uint64_t rows() const { return tokens.empty() ? samples : tokens.size(); }
};

}  // namespace tinyai
