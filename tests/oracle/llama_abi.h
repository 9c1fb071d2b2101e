#pragma once

// The part of llama.cpp's public C interface that the oracle calls, as our own declarations, for
// the one prebuilt release that package.json pins. Nothing of it is linked: the libraries are
// opened at run time.

#include <cstddef>
#include <cstdint>
#include <string>

namespace tinyai::oracle {

// Layouts of the release "0.5.0-dev" on x86-64 Linux; Load() compares the defaults that the library
// fills in with those expected at these places and refuses any other release.
struct ModelParams {
  void* devices;
  const void* tensor_buft_overrides;
  int32_t n_gpu_layers;
  int32_t split_mode;
  int32_t load_mode;  // 0 read, 1 mmap, 2 mlock, 4 direct I/O, -1 chosen by the library
  int32_t lazy_mode;
  int32_t main_gpu;
  const float* tensor_split;
  void* progress_callback;
  void* progress_callback_user_data;
  const void* kv_overrides;
  bool vocab_only;
  bool check_tensors;
  bool use_extra_bufts;  // repacked copies of weights for faster kernels
  bool no_host;
  bool no_alloc;
  bool load_mtp;
};
static_assert(sizeof(ModelParams) == 80);

struct ContextParams {
  uint32_t n_ctx;
  uint32_t n_batch;
  uint32_t n_ubatch;
  uint32_t n_seq_max;
  uint32_t n_rs_seq;
  uint32_t n_outputs_max;
  uint32_t n_outputs_max_per_seq;
  int32_t n_threads;
  int32_t n_threads_batch;
  int32_t context_type;
  int32_t rope_scaling_type;
  int32_t pooling_type;
  int32_t attention_type;
  int32_t flash_attn_type;  // -1 chosen by the library, 0 off, 1 on
  float rope_freq_base;
  float rope_freq_scale;
  float yarn_ext_factor;
  float yarn_attn_factor;
  float yarn_beta_fast;
  float yarn_beta_slow;
  uint32_t yarn_orig_ctx;
  float defrag_thold;
  void* cb_eval;
  void* cb_eval_user_data;
  int32_t type_k;  // tensor type ids of GGUF: 0 F32, 1 F16, 8 Q8_0
  int32_t type_v;
  void* abort_callback;
  void* abort_callback_data;
  bool embeddings;
  bool offload_kqv;
  bool no_perf;
  bool op_offload;
  bool swa_full;
  bool kv_unified;
  void* samplers;
  size_t n_samplers;
  void* ctx_other;
};
static_assert(sizeof(ContextParams) == 160);

struct Batch {
  int32_t n_tokens;
  int32_t* token;
  float* embd;
  int32_t* pos;
  int32_t* n_seq_id;
  int32_t** seq_id;
  int8_t* logits;
};
static_assert(sizeof(Batch) == 56);

struct Model;
struct Context;
struct Vocab;

// The functions, with the library's names less "llama_".
struct Llama {
  void (*backend_init)();
  void (*log_set)(void (*)(int, const char*, void*), void*);
  const char* (*version)();
  ModelParams (*model_default_params)();
  ContextParams (*context_default_params)();
  Model* (*model_load_from_file)(const char*, ModelParams);
  void (*model_free)(Model*);
  const Vocab* (*model_get_vocab)(const Model*);
  Context* (*init_from_model)(Model*, ContextParams);
  void (*free)(Context*);
  int32_t (*vocab_n_tokens)(const Vocab*);
  bool (*vocab_is_eog)(const Vocab*, int32_t);
  int32_t (*tokenize)(const Vocab*, const char*, int32_t, int32_t*, int32_t, bool, bool);
  int32_t (*token_to_piece)(const Vocab*, int32_t, char*, int32_t, int32_t, bool);
  Batch (*batch_get_one)(int32_t*, int32_t);
  int32_t (*decode)(Context*, Batch);
  float* (*get_logits_ith)(Context*, int32_t);
  void* (*get_memory)(const Context*);
  void (*memory_clear)(void*, bool);
  void (*synchronize)(Context*);
};

// Opens the libraries in `folder`. On failure returns false and says why in `error`. Log lines of
// the library are kept from the terminal; those of warnings and errors are in LastLog().
bool Load(const std::string& folder, Llama& llama, std::string& error);
std::string& LastLog();

}  // namespace tinyai::oracle
