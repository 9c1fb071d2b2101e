#include "graph/decoder.h"

namespace tinyai {

// Qwen 1.5 to 2.5: biases on q, k and v.
Result<Graph> BuildQwen2(const ModelFile& file, const Hparams& hparams,
                         const GraphOptions& options) {
  return BuildDecoder(file, hparams, {.adjacent_rope = false, .qkv_bias = true}, options);
}

}  // namespace tinyai
