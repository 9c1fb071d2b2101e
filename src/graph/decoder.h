#pragma once

#include "base/result.h"
#include "graph/build.h"
#include "graph/graph.h"
#include "graph/hparams.h"

namespace tinyai {

// What differs between the families of decoder-only transformers with grouped-query attention,
// rotary embedding, RMS norm and a gated feed-forward part.
struct DecoderTraits {
  bool adjacent_rope = true;  // pairs (2i, 2i+1), else halves
  bool qkv_bias = false;      // required; elsewhere used if the file has it
  bool qk_norm = false;       // RMS norm of each head of q and k before rotation
};

// The graph of such a model. A family is one file that calls this with its traits, or builds its
// own.
Result<Graph> BuildDecoder(const ModelFile& file, const Hparams& hparams,
                           const DecoderTraits& traits, const GraphOptions& options);

using BuildFamily = Result<Graph> (*)(const ModelFile&, const Hparams&, const GraphOptions&);

Result<Graph> BuildLlama(const ModelFile& file, const Hparams& hparams,
                         const GraphOptions& options);
Result<Graph> BuildQwen2(const ModelFile& file, const Hparams& hparams,
                         const GraphOptions& options);
Result<Graph> BuildQwen3(const ModelFile& file, const Hparams& hparams,
                         const GraphOptions& options);

}  // namespace tinyai
