#include "graph/decoder.h"

namespace tinyai {

// Qwen 3: no biases, norms of the heads of q and k.
Result<Graph> BuildQwen3(const ModelFile& file, const Hparams& hparams,
                         const GraphOptions& options) {
  return BuildDecoder(file, hparams, {.adjacent_rope = false, .qk_norm = true}, options);
}

}  // namespace tinyai
