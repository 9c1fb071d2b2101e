#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/hf_vocabulary.h"
#include "format/metadata_writer.h"

namespace tinyai {

// Writes the keys of a tokenizer whose model is Unigram, "t5" as GGUF calls it, but for its special
// tokens. `types` are those of the tokens so far. Errors TOKENIZER, TOKENIZER_UNSUPPORTED,
// MODEL_VOCAB.
Status WriteHfUnigram(const std::string& file, const HfVocabulary& vocabulary,
                      std::vector<int32_t>& types, MetadataWriter& out);

}  // namespace tinyai
