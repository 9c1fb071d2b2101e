#pragma once

#include "format/model_file.h"
#include "text/vocabulary_tokenizer.h"

namespace tinyai {

// What a kind of tokenizer does where the file says nothing.
struct SpecialDefaults {
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::optional<TokenId> unknown;
  bool add_bos = false;
  bool add_eos = false;
  bool add_space_prefix = false;
};

// Fills everything of `data` but the vocabulary, which is complete: the special ids and switches of
// "tokenizer.ggml.*", and the traits that tokens have by their names (as in llama.cpp, <|im_end|>
// ends generation whatever the file says). A default that is no token of the vocabulary counts as
// absent. Error MODEL_SPECIAL_TOKEN for an id that is no token, or one that is needed and absent.
Status ReadSpecialIds(const Metadata& metadata, const SpecialDefaults& defaults,
                      TokenizerData& data);

}  // namespace tinyai
