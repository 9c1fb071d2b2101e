#include "graph/decoder.h"

namespace tinyai {

// Llama 1 to 3, Mistral and the many models that share their layout.
Result<Graph> BuildLlama(const ModelFile& file, const Hparams& hparams,
                         const GraphOptions& options) {
  return BuildDecoder(file, hparams, {.adjacent_rope = true}, options);
}

}  // namespace tinyai
