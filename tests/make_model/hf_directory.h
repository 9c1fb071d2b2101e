#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace tinyai::testing_models {

// Writes a model of make_model, F32, F16 or BF16, as the folder of a Hugging Face model:
// config.json, tokenizer.json, tokenizer_config.json and the same weights in `shards` files, the
// rows of q and k of a llama in the order in which halves of a head turn together. The folder is
// there and empty.
Status MakeHfDirectory(const std::string& gguf, const std::string& folder, uint32_t shards = 1);

}  // namespace tinyai::testing_models
