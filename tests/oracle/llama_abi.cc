#include "oracle/llama_abi.h"

#include <dlfcn.h>

namespace tinyai::oracle {
namespace {

constexpr std::string_view kVersion = "0.5.0-dev";
constexpr int kLogWarning = 3;

void KeepLog(int level, const char* text, void*) {
  if (level >= kLogWarning) LastLog() += text;
}

void* Open(const std::string& path, std::string& error) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) error = dlerror();
  return library;
}

template <typename Function>
bool Find(void* library, const char* name, Function& function, std::string& error) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) error = std::string("no function ") + name;
  return function != nullptr;
}

bool FindAll(void* library, Llama& llama, std::string& error) {
  const auto find = [&](const char* name, auto& function) {
    return Find(library, name, function, error);
  };
  return find("llama_backend_init", llama.backend_init) && find("llama_log_set", llama.log_set) &&
         find("llama_version", llama.version) &&
         find("llama_model_default_params", llama.model_default_params) &&
         find("llama_context_default_params", llama.context_default_params) &&
         find("llama_model_load_from_file", llama.model_load_from_file) &&
         find("llama_model_free", llama.model_free) &&
         find("llama_model_get_vocab", llama.model_get_vocab) &&
         find("llama_init_from_model", llama.init_from_model) && find("llama_free", llama.free) &&
         find("llama_vocab_n_tokens", llama.vocab_n_tokens) &&
         find("llama_vocab_is_eog", llama.vocab_is_eog) && find("llama_tokenize", llama.tokenize) &&
         find("llama_token_to_piece", llama.token_to_piece) &&
         find("llama_batch_get_one", llama.batch_get_one) && find("llama_decode", llama.decode) &&
         find("llama_get_logits_ith", llama.get_logits_ith) &&
         find("llama_get_memory", llama.get_memory) &&
         find("llama_memory_clear", llama.memory_clear) &&
         find("llama_synchronize", llama.synchronize);
}

// Whether the library's structs are laid out as ours: its defaults stand where we expect them.
bool LayoutsAgree(const Llama& llama) {
  const ModelParams model = llama.model_default_params();
  const ContextParams context = llama.context_default_params();
  return std::string_view(llama.version()) == kVersion && model.n_gpu_layers == -1 &&
         model.load_mode == -1 && model.kv_overrides == nullptr && !model.vocab_only &&
         model.use_extra_bufts && context.n_ctx == 512 && context.n_batch == 2048 &&
         context.n_threads == 4 && context.flash_attn_type == -1 && context.yarn_beta_slow == -1 &&
         context.type_k == 1 && context.type_v == 1 && !context.embeddings && context.no_perf &&
         context.ctx_other == nullptr;
}

}  // namespace

std::string& LastLog() {
  static std::string log;
  return log;
}

bool Load(const std::string& folder, Llama& llama, std::string& error) {
  void* library = nullptr;
  void* ggml = nullptr;
  for (const char* name : {"libggml-base.so", "libggml.v0.5.0.so", "libllama.v0.5.0.so"}) {
    library = Open(folder + "/" + name, error);
    if (library == nullptr) return false;
    if (std::string_view(name).starts_with("libggml.")) ggml = library;
  }
  void (*load_backends)(const char*) = nullptr;
  if (!FindAll(library, llama, error)) return false;
  if (!Find(ggml, "ggml_backend_load_all_from_path", load_backends, error)) return false;
  if (!LayoutsAgree(llama)) {
    error = std::string("this is release ") + llama.version() + ", not " + std::string(kVersion);
    return false;
  }
  llama.log_set(KeepLog, nullptr);
  load_backends(folder.c_str());
  llama.backend_init();
  return true;
}

}  // namespace tinyai::oracle
