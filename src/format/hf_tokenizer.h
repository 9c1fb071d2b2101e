#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "format/hf_config.h"
#include "format/json_value.h"
#include "format/metadata_writer.h"

namespace tinyai {

// Reads tokenizer.json (byte-level BPE, or the BPE of SentencePiece with byte fallback), with what
// tokenizer_config.json says, null where there is none, into the metadata that the tokenizer wants.
// Ids that no token has become unused tokens, so that there are as many as the embedding has rows.
// Errors TOKENIZER, TOKENIZER_UNSUPPORTED, MODEL_VOCAB, MODEL_SPECIAL_TOKEN.
Status ReadHfTokenizer(const ByteSource& tokenizer, const JsonValue& settings,
                       const HfConfig& config, MetadataWriter& out);

}  // namespace tinyai
