#pragma once

#include <vector>

#include "format/model_file.h"

namespace tinyai {

// The tensors of a text model in the order in which a pass needs them, and its layers: the
// embedding, attention and feed-forward of each block, the output.
struct TextLayers {
  std::vector<size_t>
      order;           // indexes into the tensors; those that no layer is known for come last
  GraphRecords graph;  // without ops: `general.architecture` tells them
};

// By the names of the tensors as GGUF has them: "token_embd.weight", "blk.3.ffn_up.weight", ..
TextLayers FindTextLayers(const ModelFile& file);

}  // namespace tinyai
