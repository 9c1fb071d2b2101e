#pragma once

#include "format/model_file.h"
#include "text/merge_table.h"
#include "text/vocabulary.h"

namespace tinyai {

// The tokens of a model file: "tokenizer.ggml.tokens" with ".scores" (kept if `with_scores`) and
// ".token_type". Errors MODEL_VOCAB, GGUF_ARRAY_TYPE. `vocab_size`: rows of the embedding.
Result<Vocabulary> ReadVocabulary(const Metadata& metadata, uint64_t vocab_size, bool with_scores);

// The merges of a model file: "tokenizer.ggml.merges", strings of two spellings with a space
// between. A merge of spellings that are no tokens can never happen; `skipped` counts those.
// Errors MODEL_MERGES, GGUF_ARRAY_TYPE.
Result<MergeTable> ReadMerges(const Metadata& metadata, const Vocabulary& vocabulary,
                              uint64_t& skipped);

}  // namespace tinyai
