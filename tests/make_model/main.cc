// make_model: writes a small random model for tests and experiments; see make_model.h.

#include <iostream>

#include "CLI/CLI.hpp"
#include "make_model/hf_directory.h"
#include "make_model/make_model.h"

int main(int argc, char** argv) {
  using namespace tinyai;
  testing_models::ModelSpec spec;
  std::string path, type = "F32", embedding, output, folder;
  uint32_t shards = 1;
  std::vector<std::string> types;
  CLI::App app("Writes a GGUF model with random weights");
  app.add_option("path", path, "file to write")->required();
  app.add_option("--architecture", spec.architecture, "llama, qwen2 or qwen3");
  app.add_option("--type", type, "of the matrices");
  app.add_option("--embedding-type", embedding);
  app.add_option("--output-type", output);
  app.add_option("--tensor-type", types, "NAME=TYPE, for one tensor");
  app.add_option("--n-embd", spec.n_embd);
  app.add_option("--n-layer", spec.n_layer);
  app.add_option("--n-ff", spec.n_ff);
  app.add_option("--n-head", spec.n_head);
  app.add_option("--n-head-kv", spec.n_head_kv);
  app.add_option("--head-dim", spec.head_dim, "0: n_embd / n_head");
  app.add_option("--n-vocab", spec.n_vocab);
  app.add_option("--n-context", spec.n_context);
  app.add_flag("--tied", spec.tied);
  app.add_option("--rope-base", spec.rope_base);
  app.add_option("--rope-scaling", spec.rope_scaling, "linear, yarn or llama3");
  app.add_option("--rope-factor", spec.rope_factor);
  app.add_option("--rope-original-context", spec.rope_original_context);
  app.add_option("--vocabulary", spec.vocabulary, "llama or gpt2");
  app.add_option("--pre", spec.pre_tokenizer, "pre-tokenizer of gpt2");
  app.add_option("--logit-std", spec.logit_std);
  app.add_option("--seed", spec.seed);
  app.add_option("--hf", folder, "a Hugging Face folder to write too; it is there and empty");
  app.add_option("--hf-shards", shards, "files that its weights are in");
  CLI11_PARSE(app, argc, argv);

  const auto parse = [](const std::string& name) {
    const std::optional<DType> found = DTypeFromName(name);
    if (!found) std::cerr << "error: no type " << name << "\n";
    return found;
  };
  const std::optional<DType> all = parse(type);
  if (!all) return 2;
  spec.type = *all;
  if (!embedding.empty() && !(spec.embedding_type = parse(embedding))) return 2;
  if (!output.empty() && !(spec.output_type = parse(output))) return 2;
  for (const std::string& rule : types) {
    const size_t split = rule.find('=');
    const std::optional<DType> one = parse(split < rule.size() ? rule.substr(split + 1) : rule);
    if (!one) return 2;
    spec.types[rule.substr(0, split)] = *one;
  }
  if (const Status made = testing_models::MakeModel(spec, path); !made) {
    std::cerr << "error: " << Describe(made.error()) << "\n";
    return static_cast<int>(made.error().code);
  }
  if (folder.empty()) return 0;
  if (const Status made = testing_models::MakeHfDirectory(path, folder, shards); !made) {
    std::cerr << "error: " << Describe(made.error()) << "\n";
    return static_cast<int>(made.error().code);
  }
  return 0;
}
