#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/dtype.h"
#include "base/result.h"

namespace tinyai::testing_models {

// A model to make for a test: real shapes and names, random weights whose logits have a sane size.
struct ModelSpec {
  std::string architecture = "llama";  // "qwen2" adds q/k/v biases, "qwen3" q/k norms
  uint32_t n_embd = 64, n_layer = 2, n_ff = 192;
  uint32_t n_head = 4, n_head_kv = 2;
  uint32_t head_dim = 0;  // 0: n_embd / n_head
  uint32_t n_vocab = 512, n_context = 256;
  DType type = DType::kF32;  // of the matrices; norms and biases are F32
  std::optional<DType> embedding_type, output_type;
  std::map<std::string, DType> types;  // by the name of the tensor
  bool tied = false;                   // no output matrix, the embedding serves
  double rope_base = 10'000;
  std::string rope_scaling;  // "", "linear", "yarn", or "llama3" (a tensor of factors)
  double rope_factor = 4;
  uint32_t rope_original_context = 64;
  double rms_epsilon = 1e-5;
  std::string vocabulary = "llama";     // or "gpt2"
  std::string pre_tokenizer = "gpt-2";  // of "gpt2"
  double logit_std = 2;
  uint64_t seed = 1;
};

// Writes the model; equal specs give equal files. Holds a slice of a tensor at a time. A row that
// is no multiple of its type's block is a usage error.
Status MakeModel(const ModelSpec& spec, const std::string& path);

}  // namespace tinyai::testing_models
