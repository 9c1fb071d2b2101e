#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "format/json_value.h"
#include "format/metadata_writer.h"

namespace tinyai {

// What the config.json of a Hugging Face directory says of a model, beyond its metadata.
struct HfConfig {
  uint64_t layers = 0;
  uint64_t vocabulary = 0;
  bool tied = false;                 // the embedding serves as output too
  std::vector<float> rope_divisors;  // of the frequencies; empty: none
  std::optional<uint64_t> bos;       // ids of tokens
  std::vector<uint64_t> eos;
};

// Reads the JSON of config.json into the metadata keys that the families' builders read. Errors
// CONFIG, naming the key; MODEL_ARCH and MODEL_ROPE for what is not supported.
Result<HfConfig> ReadHfConfig(const JsonValue& config, const std::string& file,
                              MetadataWriter& out);

}  // namespace tinyai
